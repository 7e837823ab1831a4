"""Crash repair: what a crash can leave in DVC's folders that DVC does not get over, seen to before anything runs."""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from iterpref_core.errors import StorageError
from iterpref_core.storage.jsonl import atomic_writer

_EMPTY = '{"read": {}, "write": {}}\n'


def mend_dvc(root: Path = Path()) -> Iterator[str]:
    """Remove what is half-written, and yield what was; DVC makes or pulls it again.

    A lock file of no JSON is one: DVC refuses to read it. An object of the cache that is shorter or longer than
    `dvc.lock` says is another: DVC believes what is read-only, takes it for the output, and goes on with half of it.

    Args:
        root: the repository's root.
    """
    rwlock = root / ".dvc" / "tmp" / "rwlock"
    if rwlock.exists() and not _is_json(rwlock) and not _soon_json(rwlock):
        with atomic_writer(rwlock) as file:
            file.write(_EMPTY)
        yield f"{rwlock}: was not whole; emptied"
    for _, path in _half_written(_locked_outs(root), _cache(root)):
        path.unlink()
        yield f"{path}: was not whole; removed from DVC's cache"


def check_inputs(inputs: Callable[[], Iterable[str]], root: Path = Path()) -> None:
    """See to it that a stage under a bare `dvc repro` does not work on half of its inputs.

    Args:
        inputs: tells which they are. DVC takes a second to resolve them, so they are asked for where something is not
            whole.
        root: the repository's root.

    Raises:
        StorageError: what DVC has of an input in its cache, and may have it from, is not whole.
    """
    outs = _locked_outs(root)
    broken = list(_half_written(outs, _cache(root))) if outs else []
    if not broken:
        return
    wanted = {name for path in inputs() for name in (path, *map(str, Path(path).parents))}
    for path, cached in broken:
        if path in wanted:
            raise StorageError(
                f"{path}: DVC has it from {cached}, which is not whole, perhaps since a crash of the machine; remove "
                "both, and run again"
            )


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except ValueError:
        return False
    return True


def _soon_json(path: Path) -> bool:
    """Whether another process was just writing it."""
    time.sleep(0.5)
    return _is_json(path)


def _cache(root: Path) -> Path:
    """Where DVC keeps its objects; its settings alone tell, which are read faster than a repository is opened."""
    from dvc.config import Config

    settings = root.resolve() / ".dvc"
    return Path(Config(str(settings))["cache"].get("dir", settings / "cache"), "files", "md5")


def _locked_outs(root: Path) -> list[dict[str, Any]]:
    """Outputs of which `dvc.lock` knows hash and size."""
    try:
        content = yaml.safe_load((root / "dvc.lock").read_text(encoding="utf-8")) or {}
    except (FileNotFoundError, yaml.YAMLError):
        return []  # nothing has run, or DVC says itself what is wrong
    outs = (out for stage in content.get("stages", {}).values() for out in stage.get("outs", ()))
    return [out for out in outs if {"md5", "size"} <= out.keys()]


def _half_written(outs: Iterable[dict[str, Any]], cache: Path) -> Iterator[tuple[str, Path]]:
    """Outputs, and their objects in the cache that differ in size from the lock; only sizes: hashing takes minutes."""
    for out in {out["md5"]: out for out in outs}.values():
        path = _object(cache, out["md5"])
        if path.exists():
            wrong = _wrong_folder(path, out, cache) if out["md5"].endswith(".dir") else _wrong_file(path, out)
            yield from ((out["path"], found) for found in wrong)


def _wrong_file(path: Path, out: dict[str, Any]) -> Iterator[Path]:
    if path.stat().st_size != out["size"]:
        yield path


def _wrong_folder(path: Path, out: dict[str, Any], cache: Path) -> Iterator[Path]:
    """The list of a folder's files, or those of the files whose content is not what they are called by."""
    if not _is_json(path):
        yield path
        return
    files = [_object(cache, entry["md5"]) for entry in json.loads(path.read_bytes())]
    present = [file for file in files if file.exists()]
    if len(present) == len(files) and sum(file.stat().st_size for file in files) != out["size"]:
        yield from {file for file in files if _md5(file) != file.parent.name + file.name}


def _object(cache: Path, md5: str) -> Path:
    return cache / md5[:2] / md5[2:]


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
