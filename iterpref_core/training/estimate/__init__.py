"""Estimate of a training's memory and time, without its weights."""
