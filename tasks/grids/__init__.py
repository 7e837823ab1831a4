"""Grids of trainings: trials for tuning, ablations and the study, and sweeps of the experiment itself.

A trial trains the experiment's student with one objective and a few parameters changed, and scores it on one split.
`lineage` finds or makes what it trains on, `trial` runs many and keeps their results, `tuning`, `ablations` and `study`
say which ones. A sweep repeats the experiment's own stages at several values, each point a DVC experiment.
"""
