"""Trainings beside the experiment: tuning, ablations, the study.

A trial trains the experiment's student with one objective and a few parameters changed, and scores it on one split.
`lineage` finds or makes what it trains on, `trial` runs many and keeps their results, the others say which ones.
"""
