"""Compose problems from a feature tree, and split them by combinations of features.

Stage `problems`; `problem_splits.build_problems` is the entry point. `features` holds the tree, `compose` turns a
combination of features into a problem with tests. The rooms `ingestion`, `own_code` and `synthesis` make problems of
other sources, by verbs and not by the stage.
"""
