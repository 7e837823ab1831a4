"""Codec: values as text, on their way between processes that do not trust each other.

`plain` has the form of plain values, `canonical` the text that a program's value leaves the sandbox as, `crossing`
the messages between a test and a program, which also have references to objects.
"""
