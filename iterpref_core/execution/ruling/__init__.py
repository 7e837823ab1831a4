"""Ruling by the supervisor: the steps of tests, and the verdicts on the reports of them."""
