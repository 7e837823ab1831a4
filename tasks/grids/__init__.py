"""Sweeps: the experiment's own stages at several values, each point a DVC experiment."""
