"""Evaluation: ask a model a benchmark's tasks, read and run its programs, and count.

Stage `evaluation`; `evaluation.evaluate_model` is the entry point, and reads as the way of an answer: `sampler` asks a
model, `answer_reading` finds the programs in its answers, `iterpref_core.evaluation.benchmarks.harness` runs them,
`scores` turns their outcomes into the record of results.json (`iterpref_core.records.results`), and `results_file`
writes that. Programs of a file are found by `iterpref_core.evaluation.scoring`. The estimators are in
`iterpref_core.evaluation.statistics.pass_at_k`.
"""
