"""Validity of tests: what they reach, which mutants they tell apart, what a judge and a human say of them.

Stage `validity`; `validity.measure_validity` is the entry point.
"""
