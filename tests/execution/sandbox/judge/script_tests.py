"""Script tests of the module `solution`, for several files of tests."""

from iterpref_core.records import ScriptTest


def script(text: str, **files: str) -> ScriptTest:
    """Make a test of a script, `t.py`, and files beside it."""
    return ScriptTest(module="solution", files={"t.py": text} | files, run="t.py")
