"""Turn pairs into tokens on disk (`tokenized_dataset`), and these into batches.

This package does not know a model: `training/model/` and `training/trainer/` import it.
"""
