"""Focal preference training (arXiv 2503.02783, section 3.3).

Stage `training`; `training.train_objective` is the entry point. `dataset` tokenizes pairs and marks the tokens of error
regions, `pair_table` keeps them on disk, `batches` lays them out, `reference` scores them once under the model before
training, and `trainer` computes the loss of a row of the table of objectives.
"""
