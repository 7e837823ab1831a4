"""Measure how much of a reference its tests reach, and how many of its mutants they catch.

Stage `validity`; `validity.measure_validity` is the entry point.
"""
