"""Find the files of a source, which may be a folder or a set on the hub with several configurations and splits.

`datasets` finds the configurations and splits of a folder or set, by its card and by names of files
(`train-00000-of-00002.parquet`, `test/a.jsonl`). Splits are never mixed silently: `train` is read, and the files
of the others are counted.
"""

import re
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from iterpref_core.records import PACKED, InputError, SourceRow, first_line, unknown_name

from .data_card import CARD, find_license
from .digests import file_digest

ALL = "all"
"""The name for the files of every split, or of every configuration, together."""
_TRAIN = "train"
VALIDATION = "validation"
_OTHER = "other"
"""The name for data files of a folder that are of no split of its configurations."""
ENDINGS = {".parquet", ".arrow", ".jsonl", ".ndjson", ".json", ".csv", ".tsv"}
_DESCRIBING = {"dataset_info.json", "dataset_infos.json", "state.json"}
"""The files that `datasets` writes next to data."""
_SET = re.compile(r"[\w-][\w.-]*/[\w.-]+")
"""The id of a set on the hub."""
_CACHED = re.compile(r"/datasets--(?P<id>[^/]+)/snapshots/(?P<revision>[^/]+)/(?P<file>.+)")
"""A file in the hub's cache, where `org/set` is `org--set`."""
_PART = re.compile(r"(?P<before>.*?)(?P<digits>\d+)(?P<after>-of-0*(?P<number>\d+)\..+)")
"""A file of a set in several files, such as `train-00000-of-00003.parquet`."""
_TIMEOUT_S = 8.0
"""The longest wait for the hub's word that it has a set."""
_CONVERTED = "refs/convert/parquet"
"""The branch with the hub's own Parquet of a set, which sets with a loading script have as well."""
_SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys((VALIDATION, "valid", "val", "dev"), VALIDATION),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
    **{f"{word}{mark}out": "test" for word in ("held", "hold") for mark in ("", "-", "_", " ")},
}
"""Word in a file's or folder's name → split, as `datasets` reads these names; and words for held-out data."""
_WORD = re.compile(rf"(?<![^\W\d_])({'|'.join(_SPLITS)})(?:set)?(?![^\W\d_])", re.IGNORECASE)
"""A word for a split, not within a longer word, also as in `testset`."""


class Shards(NamedTuple):
    """The files of sources.

    Attributes:
        files: the files to read, in order: paths, and addresses on the hub (`hf://`).
        dropped: split → number of its files, which are not read.
        license: SPDX on the card of the sources, if they have one and the same.
    """

    files: list[str]
    dropped: dict[str, int]
    license: str | None = None


def find_shards(sources: Sequence[Path], split: str | None = None, config: str | None = None) -> Shards:
    """Return the files of sources. Files that are named are all read.

    Args:
        sources: files, folders, and ids of sets on the hub.
        split: the split of folders and sets to read, `all` for every file. None: `train`.
        config: the configuration to read where there are several, `all` for every one.

    Raises:
        InputError: a source is absent or has no file that can be read, or a configuration or split must be chosen.
    """
    wanted = None if split is None else usual_split(split) or split
    files: list[str] = []
    dropped: Counter[str] = Counter()
    licenses: set[str | None] = set()
    for source in sources:
        if not _has_splits(source):
            if str(source) in files:
                raise InputError(f"{source}: is named twice; name it once")
            files.append(str(source))
            licenses.add(find_license(source, "dataset"))
            continue
        with _explained(source):
            if not source.is_dir():
                from huggingface_hub import HfApi

                # The hub is asked once: what comes later is asked again for a minute.
                HfApi().dataset_info(str(source), timeout=_TIMEOUT_S)
            licenses.add(find_license(source, "dataset"))
            found = _find_splits(str(source), config)
        chosen = _choose(source, found, wanted)
        read = dict.fromkeys(file for name in chosen for file in found[name])
        _check_whole(read)
        files += read
        dropped.update({name: len(each) for name, each in found.items() if name not in chosen})
        dropped[_OTHER] += _count_others(source, [file for each in found.values() for file in each])
    return Shards(files, dict(+dropped), licenses.pop() if len(licenses) == 1 else None)


def fetch(file: str) -> Path:
    """Return the path of a file, which is downloaded into the hub's cache if it is on the hub.

    Raises:
        InputError: the file cannot be had.
    """
    if not file.startswith("hf://"):
        return Path(file)
    with _explained(file):
        from huggingface_hub import HfFileSystem, hf_hub_download

        at: Any = HfFileSystem().resolve_path(file)
        return Path(hf_hub_download(at.repo_id, at.path_in_repo, repo_type=at.repo_type, revision=at.revision))


def find_origin(path: Path, sources: Sequence[Path]) -> SourceRow:
    """Return the origin of a file's rows: its set and revision if it is in the hub's cache, else its name and digest.

    Args:
        path: the file.
        sources: files, folders and ids that the user names; a file of a folder is called `FOLDER/…`, so that no path of
            this machine leaves it.
    """
    # The hub's cache keeps the revision in the path of each file.
    cached = _CACHED.search(str(path))
    if cached is not None:
        dataset = cached["id"].replace("--", "/", 1)
        return SourceRow(dataset=dataset, file=cached["file"], row=0, revision=cached["revision"])
    # A file in a named folder keeps its path within that folder.
    folders = [source.resolve() for source in sources if source.is_dir()]
    folder = next((each for each in folders if path.resolve().is_relative_to(each)), path.resolve().parent)
    name = path.resolve().relative_to(folder)
    # A pipe can be read once.
    digest = file_digest(path) if path.is_file() else None
    return SourceRow(file=str(Path(folder.name, name) if folders else name), row=0, digest=digest)


def _has_splits(source: Path) -> bool:
    """Return True for a folder, or the id of a set on the hub."""
    is_id = _SET.fullmatch(str(source)) is not None and layout_of(source) not in ENDINGS
    return source.is_dir() or (is_id and not source.exists())


def _check_whole(files: Collection[str]) -> None:
    """Check that every file of `train-00000-of-00003.parquet` and its like is there.

    Raises:
        InputError: one is missing.
    """
    for file in files:
        part = _PART.fullmatch(file)
        if part is None:
            continue
        number = int(part["number"])
        # Some sets count from 1: there is `00003-of-00003`.
        first = int(f"{part['before']}{number:0{len(part['digits'])}}{part['after']}" in files)
        for place in range(first, first + number):
            other = f"{part['before']}{place:0{len(part['digits'])}}{part['after']}"
            if other not in files:
                raise InputError(f"{other}: is missing beside {Path(file).name}; fetch it, or name the files to read")


@contextmanager
def _explained(source: object) -> Iterator[None]:
    """Explain in one sentence why a source cannot be had.

    Raises:
        InputError: `datasets` or the hub has raised an error.
    """
    try:
        yield
    except (InputError, ImportError):
        raise
    except Exception as error:  # noqa: BLE001 - the hub's client passes on the errors of its HTTP library
        fault = "no file, and no set that can be read from the hub"
        remedy = "check the name, or download the set and give its folder"
        if Path(str(source)).is_dir():
            fault = f"`datasets` finds no files by its {CARD} and their names"
            remedy = "correct the card's `configs`, or name the files"
        raise InputError(f"{source}: {fault} ({first_line(error)}); {remedy}") from None


def _find_splits(place: str, config: str | None) -> dict[str, list[str]]:
    """Return the files of each split of a folder or set, of one configuration or of all.

    Raises:
        InputError: the user must choose a configuration.
    """
    from datasets import get_dataset_config_names

    revision = None
    try:
        configs = get_dataset_config_names(place)
    except RuntimeError:
        # The set has a loading script, which `datasets` does not run.
        revision = _CONVERTED
        configs = get_dataset_config_names(place, revision=revision)
    if config not in {None, ALL, *configs}:
        raise InputError(f"--config: {unknown_name('configuration', str(config), configs)}")
    if config is None and len(configs) > 1:
        raise InputError(
            f"{place}: there are several configurations ({', '.join(configs)}); choose one with --config NAME, or "
            f"--config {ALL}"
        )
    found: dict[str, list[str]] = {}
    # A configuration may be called `all`, as in APPS: the others are parts of it.
    for name in [config] if config in configs else configs:
        for split, files in _data_files(place, name, revision).items():
            found.setdefault(str(split), []).extend(map(str, files))
    return found


def _data_files(place: str, config: str | None, revision: str | None) -> Mapping[Any, Sequence[Any]]:
    from datasets import load_dataset_builder

    # The folder stays empty, since no data is prepared.
    with tempfile.TemporaryDirectory() as cache:
        builder = load_dataset_builder(place, config, revision=revision, cache_dir=cache)
    found: Mapping[Any, Sequence[Any]] = builder.config.data_files
    return found


def _count_others(source: Path, known: Sequence[str]) -> int:
    """Return the number of a folder's data files that are not known."""
    every = [path for path in source.rglob("*") if path.is_file() and layout_of(path) in ENDINGS]
    shown = [path for path in every if not any(part.startswith(".") for part in path.relative_to(source).parts)]
    there = {str(path.absolute()) for path in shown if path.name not in _DESCRIBING}
    return len(there.difference(known))


def other_split(stated: object, split: str | None) -> bool:
    """Return True if a row states another split than the split to read.

    Args:
        stated: the value in the row's column; a value without the usual words is a split if the user names it.
        split: the split to read, as for `find_shards`; None: `train`.
    """
    if not isinstance(stated, str) or not stated.strip() or split == ALL:
        return False
    wanted = _TRAIN if split is None else usual_split(split) or split
    usual = _split_of(stated)
    return wanted not in {usual, stated.strip()} and (usual is not None or wanted not in _SPLITS.values())


def usual_split(text: str) -> str | None:
    """Return the split that a usual word names: `validation` for `dev`, `test` for ` TestSet` and for `heldout`."""
    word = _WORD.fullmatch(text.strip())
    return _SPLITS[word[1].lower()] if word else None


def layout_of(path: Path) -> str:
    """Return the ending that names the layout, in small letters: `.jsonl` for `train.jsonl.gz` and `TRAIN.JSONL`."""
    name = path.with_name(path.name.lower())
    return Path(name.stem).suffix if name.suffix in PACKED else name.suffix


def _split_of(stated: str) -> str | None:
    """Return the split that a text states by a usual word; None if the text has words for two splits.

    >>> _split_of("train-00000"), _split_of("hard dev"), _split_of("latest"), _split_of("train_test")
    ('train', 'validation', None, None)
    """
    found = {_SPLITS[word.lower()] for word in _WORD.findall(stated)}
    return found.pop() if len(found) == 1 else None


def _choose(source: Path, splits: Mapping[str, Sequence[str]], wanted: str | None) -> list[str]:
    """Return the splits of a folder or set that are read.

    Raises:
        InputError: the user must choose a split, or the chosen split is absent.
    """
    if wanted == ALL:
        return list(splits)
    # Without `--split`, only the training split is read.
    if (wanted or _TRAIN) in splits:
        return [wanted or _TRAIN]
    # Benchmarks are published as test splits, which must not be trained on by accident.
    listed = ", ".join(f"{name} ({len(files)} files)" for name, files in splits.items())
    raise InputError(
        f"{source}: there is no split {wanted or _TRAIN}, but {listed}; choose one with --split, or --split {ALL}"
    )
