"""Measure the validity of tests: how much of a reference they reach, and how many of its mutants they catch.

Stage `validity`; `validity.measure_validity` is the entry point.
"""
