"""Prefect: the server on which a run is shown."""
