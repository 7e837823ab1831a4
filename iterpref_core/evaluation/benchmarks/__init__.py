"""Hold a folder for each suite, with its tasks, prompts and programs.

A suite derives from `benchmark.Benchmark`. `prefill` and `published_tasks` are shared by several of them.
"""
