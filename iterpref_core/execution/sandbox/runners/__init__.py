"""Run tests inside the process of the program.

A program can lie to these tests, as it can in plain Python, so results count them as `inside`. If the program skips,
replaces or ends a test, the test fails.
"""
