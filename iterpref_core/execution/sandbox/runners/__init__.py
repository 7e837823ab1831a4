"""Runners: run a test inside, in the process of the program, as Python, `unittest` or pytest runs it.

A program can lie to such a test, as it can lie to any test in Python itself; results say that the test ran inside. A
runner sees some lies, and they are no pass: a test that the program skips, leaves out or ends early.
"""
