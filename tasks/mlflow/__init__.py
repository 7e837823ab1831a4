"""MLflow: records of what ran, and the tracking server that gets them."""
