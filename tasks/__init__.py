"""Tasks: one file a stage, each around one call of the core; and a folder for each tool beside.

`dvc` knows the graph and runs stages, `git` makes worktrees, `prefect` and `mlflow` find or start servers, and
`mlflow` logs the stages that have run.
"""
