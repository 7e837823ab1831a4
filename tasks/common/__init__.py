"""Parts of every stage's task: paths, the body with its metrics and time, and the kind of task it is."""
