"""Test runner for one's own code: travels into the sandbox as text, and runs in that project's interpreter.

Each module stands alone: it imports the standard library, and pytest where that is needed.
"""
