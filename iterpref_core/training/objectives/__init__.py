"""Compute preference objectives: `losses` has their mathematics, `objective_settings` the values of each."""
