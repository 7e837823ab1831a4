"""Record commands and their stages in MLflow."""
