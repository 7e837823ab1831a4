"""Benchmarks: a folder for each suite, which has its tasks, its prompts and its programs.

A suite derives from `benchmark.Benchmark`. `prefill` and `published_tasks` are shared by several of them.
"""
