"""Functions and methods of an installed package or a folder as problems, tested by the project's own tests.

The tests run where all untrusted code runs, with the project's own interpreter and packages.
"""
