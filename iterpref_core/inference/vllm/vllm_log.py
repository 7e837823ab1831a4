"""vLLM log: what a server that failed said last, out of the log of several processes."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

_TAIL_BYTES = 1 << 18
_LONGEST = 400
# "(EngineCore pid=23828) ERROR 11-20 18:08:17 [core.py:133] ", or a part of it.
_PREFIX = re.compile(r"^(?:\([^()]*pid=\d+\) ?)?(?:[A-Z]+ \d\d-\d\d \d\d:\d\d:\d\d \[[^\]]*\] ?)?")
_RAISED = re.compile(r"^[A-Za-z_][\w.]*(?:: |$)")
_USAGE = re.compile(r"^\S+: error: (.*)")
# It only says that another process has said why.
_ECHO = "Engine core initialization failed"


def last_meaningful_line(log: Path) -> str:
    """The last exception in the log, or the last complaint about an argument; failing those its last line."""
    with log.open("rb") as file:
        file.seek(max(file.seek(0, 2) - _TAIL_BYTES, 0))
        text = file.read().decode(errors="replace")
    lines = [_PREFIX.sub("", line).rstrip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    causes = [cause for cause in _causes(lines) if _ECHO not in cause]
    said = (causes or lines or ["it said nothing"])[-1].strip()
    return said if len(said) <= _LONGEST else said[:_LONGEST] + "…"


def _causes(lines: list[str]) -> Iterator[str]:
    in_traceback = False
    for line, following in pairwise([*lines, ""]):
        if line.startswith("Traceback (most recent call last)"):
            in_traceback = True
        elif in_traceback and _RAISED.match(line):
            in_traceback = False
            # pydantic names the model on this line, and on the next what is wrong with it.
            yield following.strip() if "validation error" in line and following else line
        elif usage := _USAGE.match(line):
            yield usage[1]
