"""Validity of tests: their coverage, the mutants that they tell apart, and a judge's and a human's opinions of them.

Stage `validity`; `validity.measure_validity` is the entry point.
"""
