"""Choose a passing and a failing version from each trajectory, and filter the pairs.

Stage `pairs`; `pair_selection.select_pairs` is the entry point, and `filters` has the reasons to drop a pair.
"""
