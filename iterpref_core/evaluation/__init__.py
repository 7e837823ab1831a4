"""Evaluation: benchmarks, their ground truth, and the numbers made of their verdicts.

`evaluate` is the entry point, `services` says which class measures a benchmark, `runs` runs the programs of samples,
`scores` turns what became of them into entries of results.json; the estimators are in `iterpref_core.statistics.pass_at_k`.
"""
