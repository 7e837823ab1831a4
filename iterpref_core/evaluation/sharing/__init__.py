"""Publish models and data sets with their cards, and compare two results at the gate."""
