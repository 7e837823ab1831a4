"""Objectives table: what training, tuning, the command line and the report know of each objective."""
