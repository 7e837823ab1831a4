"""Benchmarks of this project itself, behind `iterpref bench NAME`: side by side in one run, ratios first."""
