"""Run each stage of the experiment by one call of the core, with one file for each stage and a folder for each tool.

`dvc` knows the graph and runs stages, `git` makes worktrees, `prefect` and `mlflow` find or start servers, and
`mlflow` logs the stages that have run.
"""
