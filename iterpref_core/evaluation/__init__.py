"""Evaluation: benchmarks, their ground truth, and the numbers made of their verdicts.

Stage `evaluation`; `evaluation.evaluate_model` is the entry point. Each folder of `suites/` is a suite, derived from
`benchmark.Benchmark` and opened by its line in `suite_table`. `answerer` asks a model, `answer_reading` finds the
programs in its answers, `existing_samples` scores a file of samples, `program_runs` runs programs, and `scores` turns
their outcomes into entries of results.json. The estimators are in `iterpref_core.statistics.pass_at_k`.
"""
