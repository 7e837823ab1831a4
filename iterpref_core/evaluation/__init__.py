"""Evaluation: ask a model a benchmark's tasks, read and run its programs, and count.

Stage `evaluation`; `evaluation.evaluate_model` is the entry point. `sampler` asks a model, `answer_reading` finds the
programs in its answers, `existing_samples` scores a file of samples, `program_runs` runs programs, and `scores` turns
their outcomes into entries of results.json. The estimators are in `iterpref_core.statistics.pass_at_k`.
"""
