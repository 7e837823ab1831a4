"""Train a model with focal preference objectives (arXiv 2503.02783, section 3.3).

In: pairs with their regions, a model, an objective. Out: a trained model with its lineage (stage `training`,
`trainer.train_objective`). From the ground up: `launch` (several processes), `objectives` (losses), `data` (tokens and
masks), `model` (policy, reference), `pair_checks` (checks of a file), `trainer` (the trainer and its run), `estimate`,
`library` (the collator for TRL). Other rooms import the names of `__all__` alone.
"""

__all__ = [
    "data",
    "estimate",
    "launch",
    "model",
    "objectives",
    "pair_checks",
    "trainer",
]
