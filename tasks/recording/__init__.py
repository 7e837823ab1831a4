"""Recording of stages: DVC's graph, the journal and MLflow. Nothing here can change an artifact."""
