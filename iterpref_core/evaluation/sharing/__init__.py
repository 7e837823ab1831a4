"""Sharing results: models and data sets to publish, with their cards; and the gate that compares two results."""
