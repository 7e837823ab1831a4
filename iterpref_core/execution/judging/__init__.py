"""Judging by the supervisor: tests become steps, and the reports on them verdicts.

The judge, a process that runs tests beside a program, is in `sandbox.judged`.
"""
