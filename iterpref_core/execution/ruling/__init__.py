"""Ruling by the supervisor: the steps of tests and the processes they need, and the verdicts on what is reported.

The judge, a process that runs tests beside a program, is in `sandbox.judge`.
"""
