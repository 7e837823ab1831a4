"""Find or download the published tasks of each benchmark, for scoring models and screening pairs."""

import gzip
import os
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from iterpref_core.records import DataUnavailableError, Published, first_line, parse_json
from iterpref_core.storage.make_once import make_once

# The longest wait for the next bytes of a server.
TIMEOUT_S = 8.0


class BenchmarkData(NamedTuple):
    """The data of a benchmark on this machine.

    Attributes:
        name: the name of the data; a copy has the name of its file.
        files: the paths.
    """

    name: str
    files: tuple[Path, ...]


def find_benchmark(data: Published, files: Sequence[str] = ()) -> BenchmarkData:
    """Find a benchmark's data: the copy that its variable names, or the downloaded files; download them if need be.

    Args:
        data: the data that the benchmark publishes.
        files: the names of the needed files. By default these are all files, or, in a copy, all files of its folder.

    Raises:
        DataUnavailableError: the data cannot be had here; the message names the variable.
    """
    copy = os.environ.get(data.variable)
    if copy:
        return _find_copy(data, Path(copy).resolve(), files)
    try:
        paths = tuple(_download(data, file) for file in files or data.files)
    except Exception as error:  # noqa: BLE001 - the hub's client passes on the errors of its HTTP library
        # urllib wraps the words that help, such as "Name or service not known", in a URLError.
        cause = getattr(error, "reason", None) or error
        reason = getattr(cause, "strerror", None) or first_line(cause)
        base = data.location
        if "://" not in base:
            base = f"https://huggingface.co/datasets/{base}/resolve/main"
        addresses = ", ".join(f"{base}/{file}" for file in files or data.files)
        remedy = f"set {data.variable} to a {'folder with copies' if len(data.files) > 1 else 'copy'} of {addresses}"
        raise DataUnavailableError(
            f"{data.name} is not on this machine, and cannot be downloaded ({reason}); {remedy}"
        ) from None
    return BenchmarkData(data.name, paths)


def _find_copy(data: Published, copy: Path, files: Sequence[str]) -> BenchmarkData:
    name = copy.name
    paths = [copy]
    if len(data.files) > 1 and copy.is_dir():
        name = data.name
        paths = [copy / file for file in files] or sorted(copy.glob("*.jsonl"))
    absent = [file.name for file in paths if not file.is_file()]
    if absent or not paths:
        missing = ", ".join(absent) or "*.jsonl"
        raise DataUnavailableError(f"{data.variable}={copy}: no such file ({missing}); correct it, or unset it")
    return BenchmarkData(name, tuple(paths))


def _download(data: Published, file: str) -> Path:
    if "://" not in data.location:
        from huggingface_hub import hf_hub_download

        downloaded = hf_hub_download(
            repo_id=data.location,
            filename=file,
            repo_type="dataset",
            etag_timeout=TIMEOUT_S,
        )
        return Path(downloaded)

    suffix = "".join(Path(file).suffixes)

    def fetch(partial: Path) -> None:
        with urllib.request.urlopen(f"{data.location}/{file}", timeout=TIMEOUT_S) as answer:
            partial.write_bytes(answer.read())
        # Check the content: a proxy's error page must not stay in the cache under the file's name.
        with partial.open("rb") as packed:
            for line in gzip.GzipFile(fileobj=packed) if suffix.endswith(".gz") else packed:
                parse_json(line.decode())

    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = cache / "iterpref" / f"{data.name}{suffix}"
    return make_once(path, fetch)
