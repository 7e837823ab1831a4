"""Find or start the Prefect server that shows a run."""
