"""Evaluation: ask a model a benchmark's tasks, read and run its programs, and count.

Stage `evaluation`; `evaluation.evaluate_model` is the entry point. `sampler` asks a model, `answer_reading` finds the
programs in its answers, `evaluation.measure` has them run, and `scores` turns their outcomes into the record of
results.json (`iterpref_core.records.results`). Programs of a file come to `measure` from
`iterpref_core.evaluation.scoring`. The estimators are in `iterpref_core.evaluation.statistics.pass_at_k`.
"""
