"""Run programs in engines, with isolated worker processes on this machine."""
