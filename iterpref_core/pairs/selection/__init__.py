"""Preference pairs: a passing and a failing version of one program, chosen from trajectories and filtered.

Stage `pairs`; `pair_selection.select_pairs` is the entry point, and `filters` has the reasons to drop a pair.
"""
