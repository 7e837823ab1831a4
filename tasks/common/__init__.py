"""What a stage's task consists of: paths, the body with its metrics and time, and the kind of task it is."""
