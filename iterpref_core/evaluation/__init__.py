"""Evaluation: benchmarks, their ground truth, and the numbers made of their verdicts.

Stage `evaluation`; `evaluation.evaluate_model` is the entry point. `benchmark.Benchmark` is the base of every suite,
`program_runs` runs the programs of samples, `scores` turns what became of them into entries of results.json; the
estimators are in `iterpref_core.statistics.pass_at_k`.
"""
