"""Screening: contamination by benchmarks, and repeated problems."""
