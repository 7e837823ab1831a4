"""The oracle of answers whose program adds one."""

import contextlib
import io


def adds_one(code):
    """Return True if a program's `f` adds one. Only programs of this folder are run here."""
    names = {"__name__": "answer"}
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            exec(code or "", names)
            return [names["f"](number) for number in (1, 5, 0, -3)] == [2, 6, 1, -2]
        except Exception:  # noqa: BLE001 - whatever a program of the tests raises
            return False
