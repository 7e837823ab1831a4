"""DVC: its graph and its lock read, its commands run."""
