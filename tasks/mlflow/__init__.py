"""MLflow: entries of commands and their stages, and the tracking server that gets them."""
