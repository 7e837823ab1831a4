"""Kinds of tests: a file for each, from the record to what a report on it means; `table` has a line for each.

`kind` has what all have in common, `reports` how a test reports, `outside` the look at a test's source that
decides whether a judge beside the program can run the test.
"""
