"""Data of a training: pairs become tokens (`dataset`), tokens a table on disk (`pair_table`), and rows batches.

Nothing here knows a model: `training/model/` stands above, and the training itself above both.
"""
