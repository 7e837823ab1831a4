"""Evaluation: benchmarks, their ground truth, and the numbers made of their verdicts.

Stage `evaluation`; `evaluation.evaluate_model` is the entry point. `benchmark.Benchmark` is the base of every suite,
`answer_reading` finds the programs in answers, `existing_samples` scores a file of samples, `program_runs` runs
programs, and `scores` turns what became of them into entries of results.json; the
estimators are in `iterpref_core.statistics.pass_at_k`.
"""
