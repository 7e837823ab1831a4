"""Focal preference training (arXiv 2503.02783, section 3.3).

Stage `training`; `training.train_objective` is the entry point. `masks` turns character spans into marks of tokens,
`dataset` tokenizes pairs, `pair_table` keeps them on disk, `batches` lays them out, `reference` scores them once under
the model before training, and `trainer` computes the loss of a row of the table of objectives.
"""
