"""Compute preference objectives: `losses` has their mathematics, `weights` the tokens that count."""
