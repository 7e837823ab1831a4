"""What a run over a file of samples has done so far, so that an interrupted run goes on where it stopped."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from iterpref_core.execution.programs import Outcome


def digest(text: str) -> str:
    """A short name for a text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


class Journal:
    """Outcomes in the order of the samples, one JSON line each, after a line that says what they are outcomes of.

    A context manager. Lines of another run, and a last line that was cut off, are dropped.

    Args:
        path: the file; it stays until `remove`.
        identity: names everything that the outcomes depend on besides the samples.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self._path, self._identity = path, identity
        self._file: IO[str]

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("a+", encoding="utf-8")
        self._file.seek(0)
        if self._file.readline() != self._header():
            self._file.seek(0)
            self._file.truncate()
            self._file.write(self._header())
            self._file.flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _header(self) -> str:
        return json.dumps({"identity": self._identity}) + "\n"

    def replay(self, samples: Iterator[str]) -> int:
        """How many of the first samples (digests) have their outcome here; what is here beyond them is dropped."""
        self._file.seek(0)
        self._file.readline()
        count = 0
        end = self._file.tell()
        while (line := self._file.readline()).endswith("\n"):
            if json.loads(line)["of"] != next(samples, None):
                break
            count += 1
            end = self._file.tell()
        self._file.seek(end)
        self._file.truncate()
        return count

    def append(self, sample: str, outcome: Outcome) -> None:
        """Keep an outcome, safe from the end of this process."""
        self._file.write(json.dumps({"of": sample, "outcome": asdict(outcome)}) + "\n")
        self._file.flush()

    def outcomes(self) -> Iterator[Outcome]:
        """All outcomes, in order."""
        self._file.seek(0)
        self._file.readline()
        for line in self._file:
            yield Outcome(**json.loads(line)["outcome"])

    def remove(self) -> None:
        """Forget the run: its results are elsewhere."""
        self._path.unlink()
