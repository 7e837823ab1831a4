"""Ask a model a benchmark's tasks, find and run the programs in its answers, and count (stage `evaluation`).

`model_evaluation.evaluate_model` is the entry point: `sampler` asks a model, `answer_reading` finds the programs in its
answers, `iterpref_core.evaluation.benchmarks.harness` runs them,
`scores` turns their outcomes into the record of results.json (`iterpref_core.records.results`), and `results_file`
writes that. Programs of a file are found by `iterpref_core.evaluation.scoring`. The estimators are in
`iterpref_core.evaluation.statistics.pass_at_k`.
"""
