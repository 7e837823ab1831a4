"""What travels into the sandbox as text with the tests of one's own code, and runs in that project's interpreter.

Each module stands alone: it imports the standard library, and pytest where that is needed.
"""
