"""EvalPlus data (HumanEval+, MBPP+): an override path, EvalPlus's own cache, or a download bounded in time.

The versions and addresses are those that evalplus 0.3.1 pins (`evalplus.data.humaneval`, `evalplus.data.mbpp`).
EvalPlus itself downloads without any time limit and into the home directory; here a machine without a network
learns so within `CONNECT_S`, and a download lands in the cache folder it is given.
"""

import gzip
import http.client
import json
import os
import threading
import time
import urllib.request
import zlib
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from iterpref_core.errors import DataUnavailableError
from iterpref_core.evaluation.downloads import cached_or_downloaded, official_cache
from iterpref_core.storage.file_digest import file_digest

DatasetName = Literal["humaneval", "mbpp"]

CONNECT_S = 8.0
"""Longest wait for the server's answer, name resolution included."""
DOWNLOAD_S = 120.0
"""Longest download of one file of less than 1 MB."""

_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True)
class Release:
    """One published data set: its file name and version, and the variable that overrides both."""

    file: str
    version: str
    variable: str

    @property
    def url(self) -> str:
        """Where EvalPlus publishes it."""
        return (
            f"https://github.com/evalplus/{self.file.lower()}_release/releases/download/"
            f"{self.version}/{self.file}.jsonl.gz"
        )


RELEASES: dict[DatasetName, Release] = {
    "humaneval": Release("HumanEvalPlus", "v0.1.10", "HUMANEVAL_OVERRIDE_PATH"),
    "mbpp": Release("MbppPlus", "v0.2.0", "MBPP_OVERRIDE_PATH"),
}


@dataclass(frozen=True)
class EvalPlusTask:
    """A task. Its inputs are as JSON has them; see `evalplus_oracle.inputs_of`."""

    task_id: str
    prompt: str
    entry_point: str
    canonical_solution: str
    base_input: list[Any]
    plus_input: list[Any]
    atol: float

    @classmethod
    def of(cls, row: dict[str, Any]) -> "EvalPlusTask":
        """From a line of the published file.

        Raises:
            KeyError: a field is missing.
        """
        # MbppPlus 0.2.0 writes "no input" as {}.
        return cls(
            **{name: row[name] for name in ("task_id", "prompt", "entry_point", "canonical_solution", "base_input")},
            plus_input=row["plus_input"] or [],
            atol=row["atol"],
        )

    @property
    def canonical_program(self) -> str:
        """The benchmark's own solution, as EvalPlus runs it."""
        return self.prompt + self.canonical_solution

    def inputs(self, suite: Literal["base", "plus"]) -> list[Any]:
        """The inputs of one of the two suites; may be none."""
        return self.base_input if suite == "base" else self.plus_input


@dataclass(frozen=True)
class EvalPlusData:
    """A data set that is on this machine."""

    name: DatasetName
    path: Path
    sha256: str
    tasks: tuple[EvalPlusTask, ...]

    @property
    def version_name(self) -> str:
        """Name of the data set for people, e.g. `HumanEvalPlus-v0.1.10`; overriding files keep their own names."""
        release = RELEASES[self.name]
        return self.path.name if os.environ.get(release.variable) else f"{release.file}-{release.version}"


def find_data(name: DatasetName, cache_folder: Path) -> EvalPlusData:
    """Find a data set, downloading it where needed.

    Raises:
        DataUnavailableError: it cannot be had here; the message names the variable that points EvalPlus at a file.
    """
    release = RELEASES[name]
    override = os.environ.get(release.variable)
    path = _check_override(release, Path(override)) if override else _cached_or_downloaded(release, cache_folder)
    try:
        tasks = tuple(_read_tasks(path))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, json.JSONDecodeError, KeyError) as error:
        raise DataUnavailableError(
            f"{path}: not a data set of EvalPlus ({type(error).__name__}: {error}); "
            f"set {release.variable} to {release.file}.jsonl.gz from {release.url}"
        ) from None
    if not tasks:
        raise DataUnavailableError(f"{path}: holds no task; set {release.variable} to a complete file")
    return EvalPlusData(name, path, file_digest(path), tasks)


def _check_override(release: Release, path: Path) -> Path:
    if not path.is_file():
        raise DataUnavailableError(f"{release.variable}={path}: no such file; correct or unset the variable")
    with path.open("rb") as file:
        compressed = file.read(2) == _GZIP_MAGIC
    if compressed != (path.suffix == ".gz"):
        found, wanted = ("gzip", "ends in") if compressed else ("plain text", "does not end in")
        raise DataUnavailableError(
            f"{release.variable}={path}: the file is {found}, and evalplus goes by the name; "
            f"rename it so that it {wanted} .gz"
        )
    return path.resolve()


def _read_tasks(path: Path) -> Iterator[EvalPlusTask]:
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield EvalPlusTask.of(json.loads(line))


def _cached_or_downloaded(release: Release, cache_folder: Path) -> Path:
    name = f"{release.file}-{release.version}.jsonl"
    found, reason = cached_or_downloaded(
        cache_folder / "data" / f"{name}.gz",
        _evalplus_cache() / name,
        lambda target: _try_download(release.url, target),
    )
    if found is None:
        raise DataUnavailableError(
            f"{release.file} {release.version} is neither cached here nor could it be downloaded ({reason}); "
            f"set {release.variable} to a copy of {release.url}"
        )
    return found


def _evalplus_cache() -> Path:
    return official_cache("evalplus")


def _try_download(url: str, target: Path) -> str:
    """Why a file could not be downloaded, or nothing."""
    try:
        _download(url, target)
    except (OSError, EOFError, zlib.error, http.client.HTTPException) as error:
        return str(error)
    return ""


def _download(url: str, target: Path) -> Path:
    """Download a gzip file; it appears under its name only when it is complete."""
    deadline = time.monotonic() + DOWNLOAD_S
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with _connect(url) as response, temporary.open("wb") as file:
            while chunk := response.read(1 << 16):
                file.write(chunk)
                if time.monotonic() > deadline:
                    raise TimeoutError(f"no complete answer within {DOWNLOAD_S:.0f} s")
        with gzip.open(temporary) as complete:
            complete.read()
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return target.resolve()


def _connect(url: str) -> http.client.HTTPResponse:
    """Open an address within CONNECT_S. A socket's own time limit does not cover name resolution, so a thread waits."""
    answer: Future[http.client.HTTPResponse] = Future()

    def connect() -> None:
        try:
            answer.set_result(urllib.request.urlopen(url, timeout=CONNECT_S))
        except (OSError, http.client.HTTPException) as error:
            answer.set_exception(error)

    threading.Thread(target=connect, daemon=True).start()
    try:
        return answer.result(timeout=CONNECT_S)
    except TimeoutError:
        raise TimeoutError(f"no answer within {CONNECT_S:.0f} s") from None
