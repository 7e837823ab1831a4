"""Backup: what neither git nor DVC's remote has of a checkout, as one archive, and back into a clone.

These are MLflow's records, the answers of models, rows that MLflow did not take yet, and a `dvc.lock` that was not
committed. An archive appears whole or not at all, and has been read again by then. Neither command writes over a file.
"""

import hashlib
import os
import sqlite3
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from pydantic import BaseModel, ValidationError

from iterpref_core.errors import InputError
from tasks.lock import only_run
from tasks.paths import ANSWERS, LOCK, STATE

_DATABASES = (Path("mlflow.db"), ANSWERS)
_FOLDERS = (Path("mlartifacts"), STATE / "records", STATE / "times")
_MANIFEST = "manifest.json"
_BLOCK = 2**20


class Manifest(BaseModel, extra="forbid"):
    """The list of an archive's files.

    Attributes:
        checkout: the folder that the files come from.
        files: path in the checkout → SHA-256 of the content.
    """

    checkout: str
    files: dict[str, str] = {}


def back_up(archive: Path) -> Manifest:
    """Write the present checkout's records, answers and artifacts into a new archive (tar, gzip).

    Runs may go on meanwhile: a data base is copied as of one moment, and before the artifacts that its rows name.

    Raises:
        InputError: the archive is there already, there is nothing to back up, or a data base is damaged.
    """
    if archive.exists():
        raise InputError(f"{archive}: is there already, and a backup is written over no file; give another name")
    archive.parent.mkdir(parents=True, exist_ok=True)
    manifest = Manifest(checkout=str(Path.cwd()))
    with TemporaryDirectory(prefix=".iterpref-", dir=archive.parent) as folder:
        partial = Path(folder) / "archive"
        with partial.open("wb") as raw:
            with tarfile.open(fileobj=raw, mode="w:gz") as tar:
                for name, source in _sources(Path(folder)):
                    manifest.files[name.as_posix()] = _add(tar, name, source)
                written = Path(folder) / _MANIFEST
                written.write_text(manifest.model_dump_json(indent=2), encoding="utf-8")
                tar.add(written, _MANIFEST)
            raw.flush()
            os.fsync(raw.fileno())
        if not manifest.files:
            raise InputError(f"{Path.cwd()}: no records and no answers are here; run from the checkout's root")
        if _read(partial, None) != manifest:
            raise InputError(f"{archive}: the archive differs from what was written; try another disk")
        partial.rename(archive)
    return manifest


def restore(archive: Path) -> tuple[Manifest, list[str]]:
    """Bring an archive's files into the present checkout, such as a fresh clone.

    Files that are there with the same content stay, so that a restore that was killed can be started again.

    Returns:
        The archive's list, and the files that were brought.

    Raises:
        InputError: the archive is no whole backup, a file is there with other content, or a run is going on.
    """
    STATE.mkdir(exist_ok=True)
    with only_run(), TemporaryDirectory(prefix="restore-", dir=STATE) as folder:
        manifest = _read(archive, Path(folder))
        missing = []
        others = []
        for name, digest in manifest.files.items():
            if not os.path.lexists(name):
                missing.append(name)
            elif not Path(name).is_file() or _digest(Path(name)) != digest:
                others.append(name)
        for database in _DATABASES:
            # Of a data base that is gone; SQLite would write it into the one that is restored.
            log = f"{database}-wal"
            if str(database) in missing and os.path.lexists(log):
                others.append(log)
        if others:
            shown = ", ".join(others[:3]) + (" and others" if len(others) > 3 else "")
            raise InputError(
                f"{shown}: is here with other content, and nothing is written over; restore into a fresh clone"
            )
        for name in missing:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / name).rename(name)
    return manifest, missing


def _sources(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Yield each file's path in the checkout, and the file to read: of a data base a copy in `folder`."""
    for database in _DATABASES:
        if database.is_file():
            yield database, _copy_database(database, folder / database.name)
    if LOCK.is_file():
        yield LOCK, LOCK
    for room in _FOLDERS:
        for path in sorted(room.rglob("*")):
            if path.is_file():
                yield path, path


def _copy_database(path: Path, copy: Path) -> Path:
    """Copy an SQLite data base as of one moment, also while others write to it.

    Raises:
        InputError: the data base is damaged.
    """
    try:
        # Not `ro`: a data base with a log that is not open elsewhere could not be read.
        original = sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True)
        with closing(original) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
            (state,) = target.execute("PRAGMA integrity_check").fetchone()
    except sqlite3.DatabaseError as error:
        state = str(error)
    if state != "ok":
        raise InputError(f"{path}: the data base is damaged ({state}); restore it from an earlier backup")
    return copy


def _add(tar: tarfile.TarFile, name: Path, source: Path) -> str:
    """Add a file to an archive, and return the digest of the bytes that were added."""
    with source.open("rb") as file:
        hashed = _Hashed(file)
        tar.addfile(tar.gettarinfo(arcname=name.as_posix(), fileobj=file), hashed)
    return hashed.digest.hexdigest()


class _Hashed:
    """A file that is being read, with the digest of what was read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        self.digest.update(block)
        return block


def _read(archive: Path, folder: Path | None) -> Manifest:
    """Read an archive to its end, and return its list, which its files were compared with.

    Args:
        archive: the archive.
        folder: where the files are written; None writes none.

    Raises:
        InputError: the archive is no whole backup of this project.
    """
    found = {}
    text = b""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isfile() else None
                if file is None or not _is_ours(member.name):
                    raise InputError(f"{archive}: {member.name} is in no backup; give a file of `iterpref backup`")
                if member.name == _MANIFEST:
                    text = file.read()
                    continue
                found[member.name] = _write(file, None if folder is None else folder / member.name)
        manifest = Manifest.model_validate_json(text)
    except FileNotFoundError:
        raise InputError(f"{archive}: no such file") from None
    except (tarfile.TarError, EOFError, zlib.error, ValidationError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise InputError(f"{archive}: not a whole backup ({type(error).__name__}); take an earlier one") from None
    if manifest.files != found:
        raise InputError(f"{archive}: its files differ from its list; take an earlier backup")
    return manifest


def _is_ours(name: str) -> bool:
    """Return whether a backup may have a file of this name: none else is written into a checkout."""
    path = Path(name)
    if name != path.as_posix() or ".." in path.parts:
        return False
    known = (*_DATABASES, LOCK, Path(_MANIFEST))
    return path in known or any(folder in path.parents for folder in _FOLDERS)


def _write(file: IO[bytes], path: Path | None) -> str:
    """Write a file, unless `path` is None, and return the digest of its bytes."""
    hashed = _Hashed(file)
    if path is None:
        while hashed.read(_BLOCK):
            pass
        return hashed.digest.hexdigest()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as written:
        while block := hashed.read(_BLOCK):
            written.write(block)
        written.flush()
        os.fsync(written.fileno())
    return hashed.digest.hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return _write(file, None)
