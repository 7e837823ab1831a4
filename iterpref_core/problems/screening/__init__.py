"""Screening: contamination by benchmarks, near-duplicates, secrets and personal data."""
