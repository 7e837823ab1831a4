"""Run tests inside, in the process of the program.

A program can lie to such a test, as it can lie to any test in Python itself; results say that the test ran inside. A
test that the program skips, leaves out, replaces or ends early is no pass.
"""
