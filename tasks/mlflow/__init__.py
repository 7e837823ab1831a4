"""MLflow: records of executions, and the tracking server that gets them."""
