"""IterPref's library: useful on its own, without Prefect, DVC or MLflow."""
