"""Data of a training: pairs become tokens on disk (`tokenized_dataset`), and these batches.

Nothing here knows a model: `training/model/` stands above, and the training itself above both.
"""
