"""Prefect flows: one for each DVC stage, and those that chain them."""
