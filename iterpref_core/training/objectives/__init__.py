"""Preference objectives: `losses` has their mathematics, `objective_table` a row for each."""
