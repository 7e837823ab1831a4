"""Prefect flows: one per DVC stage, `experiment` that chains the stages, and the command line. No logic."""
