"""Benchmark files: where a benchmark's tasks are, for whoever scores models on them or screens pairs against them."""

import os
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from iterpref_core.errors import DataUnavailableError, first_line
from iterpref_core.storage.make_once import make_once

TIMEOUT_S = 8.0
"""Longest wait for a server's next word."""


class Published(NamedTuple):
    """Data that a benchmark publishes: `variable` names a copy, `place` is an address or a data set of the hub."""

    variable: str
    name: str
    place: str
    files: tuple[str, ...]


_HUMANEVAL = "https://github.com/evalplus/humanevalplus_release/releases/download/v0.1.10"
_MBPP = "https://github.com/evalplus/mbppplus_release/releases/download/v0.2.0"
_BCB, _ROWS = "bigcode/bigcodebench", ("data/v0.1.4-00000-of-00001.parquet",)
_LCB, _PARTS = "livecodebench/code_generation_lite", ("test.jsonl", *(f"test{number}.jsonl" for number in range(2, 7)))
SOURCES = {
    "humaneval": Published("HUMANEVAL_OVERRIDE_PATH", "HumanEvalPlus-v0.1.10", _HUMANEVAL, ("HumanEvalPlus.jsonl.gz",)),
    "mbpp": Published("MBPP_OVERRIDE_PATH", "MbppPlus-v0.2.0", _MBPP, ("MbppPlus.jsonl.gz",)),
    "bigcodebench": Published("BIGCODEBENCH_OVERRIDE_PATH", "BigCodeBench-v0.1.4", _BCB, _ROWS),
    "bigcodebench-hard": Published(
        "BIGCODEBENCH_HARD_OVERRIDE_PATH", "BigCodeBench-Hard-v0.1.4", f"{_BCB}-hard", _ROWS
    ),
    "livecodebench": Published("LIVECODEBENCH_PATH", "livecodebench", _LCB, _PARTS),
}
"""The versions that evalplus 0.3.1 and bigcodebench 0.2.5 pin. Each release of LiveCodeBench adds a file to the one
before: 400, 511, 612, 713, 880 and 1,055 problems (its README)."""


class BenchmarkData(NamedTuple):
    """Data on this machine: its name (a copy's file keeps its own), its files, and what to do if they are of no use."""

    name: str
    files: tuple[Path, ...]
    remedy: str


def source_of(benchmark: str) -> str | None:
    """The row of `SOURCES` whose tasks a benchmark asks; None for problems of one's own.

    >>> source_of("mbpp+"), source_of("bigcodebench-full-instruct"), source_of("bigcodebench-hard-complete")
    ('mbpp', 'bigcodebench', 'bigcodebench-hard')
    """
    name = benchmark.rstrip("+").removesuffix("-complete").removesuffix("-instruct").removesuffix("-full")
    return name if name in SOURCES else None


def find_benchmark(name: str, files: Sequence[str] = ()) -> BenchmarkData:
    """Find a benchmark's data: the copy that its variable names, or what was downloaded, now if need be.

    Args:
        name: a row of `SOURCES`.
        files: those that are needed of several; by default all, of a folder all that lie in it.

    Raises:
        DataUnavailableError: it cannot be had here; the message names the variable.
    """
    source = SOURCES[name]
    where = source.place if "://" in source.place else f"https://huggingface.co/datasets/{source.place}"
    needed = f"a folder with {', '.join(files or source.files)}" if len(source.files) > 1 else "a copy"
    remedy = f"set {source.variable} to {needed} from {where}"
    if copy := os.environ.get(source.variable):
        path = Path(copy).resolve()
        folder = len(source.files) > 1 and path.is_dir()
        paths = [path / file for file in files] or sorted(path.glob("*.jsonl")) if folder else [path]
        if not paths or not all(file.is_file() for file in paths):
            absent = ", ".join(file.name for file in paths if not file.is_file()) or "*.jsonl"
            raise DataUnavailableError(f"{source.variable}={copy}: no such file ({absent}); correct it, or unset it")
        return BenchmarkData(source.name if folder else path.name, tuple(paths), remedy)
    try:
        return BenchmarkData(source.name, tuple(_download(source, file) for file in files or source.files), remedy)
    except Exception as error:  # noqa: BLE001 - the hub's client lets through the errors of what it speaks HTTP with
        raise DataUnavailableError(
            f"{source.name} is neither cached here nor could it be downloaded ({first_line(error)}); {remedy}"
        ) from None


def _download(source: Published, file: str) -> Path:
    if "://" not in source.place:
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(source.place, file, repo_type="dataset", etag_timeout=TIMEOUT_S))

    def fetch(partial: Path) -> None:
        with urllib.request.urlopen(f"{source.place}/{file}", timeout=TIMEOUT_S) as answer:
            partial.write_bytes(answer.read())

    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "iterpref"
    return make_once(cache / f"{source.name}{''.join(Path(file).suffixes)}", fetch)
