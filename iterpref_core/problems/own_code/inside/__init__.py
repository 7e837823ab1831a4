"""Test runner for own code, which goes into the sandbox as text and runs in the project's interpreter.

Each module imports the standard library, and pytest if needed.
"""
