"""Ruling by the supervisor: the steps of tests, and the verdicts on what is reported of them."""
