"""This project's own problems, of the splits `heldout` and `validation`."""
