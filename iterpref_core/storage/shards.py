"""Shards: the files of a source, which may be a folder of several configurations and splits in any layout that is read.

A folder may have several sets, its configurations: its card names them, or they are its folders. And each has the
splits that the card or its files' names state (`train-00000-of-00002.parquet`, `test/a.jsonl`). They are never mixed
without a word: of several configurations one must be named; of several splits `train` is read, and the others are
counted.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from iterpref_core.records.errors import InputError, unknown_name
from iterpref_core.records.input_files import PACKED
from iterpref_core.storage.data_card import read_card

ALL = "all"
"""The name for the files of every split together."""
UNNAMED = "unnamed"
"""The name for files whose names state no split, beside files whose names do."""
_TRAIN = "train"
_DEFAULT = "default"
"""The configuration of files that stand in no folder of their own."""
_LAYOUTS = (
    (".parquet",),
    (".arrow",),
    (".jsonl", ".ndjson"),
    (".json",),
    (".csv",),
)
"""The layouts that a folder is searched for, in this order. Only the first one found is read: files of the others are
copies of its data or describe them (`dataset_infos.json`)."""
_SPLITS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
    "heldout": "test",
    "holdout": "test",
}
"""Word in a file's or folder's name → split, as `datasets` reads these names; and two more words for a benchmark."""
_SPLIT_COLUMN = re.compile(r"(?<![a-z])(?:split|subset|partition|fold)s?(?![a-z])", re.IGNORECASE)
"""Such a word in the name of a column, which may state the row's split (`split`, `data_split`)."""
_WORD = re.compile(rf"(?<![^\W\d_])({'|'.join(_SPLITS)})(?:set)?(?![^\W\d_])", re.IGNORECASE)
"""Such a word between characters that are no letters, also as in `testset`."""


class Shards(NamedTuple):
    """The files of sources.

    Attributes:
        files: the files to read, in order.
        left_out: split, or ending such as `.csv` of another layout, or a name without an ending → number of its files,
            which are not read.
        license: SPDX on the card of the sources, if they have one and the same.
    """

    files: list[Path]
    left_out: dict[str, int]
    license: str | None = None


def find_shards(sources: Sequence[Path], split: str | None = None, config: str | None = None) -> Shards:
    """Return the files of sources, each folder's in the order of their names.

    Args:
        sources: files, and folders of shards, which are searched at any depth.
        split: the split to read, `all` for every file. None: a folder's only files, or its `train`; files that are
            named one by one must be of one split.
        config: the configuration to read where a folder has several, `all` for every one.

    Raises:
        InputError: a folder has no file that can be read, or it must be said which configuration or split is meant, or
            a file is there twice.
    """
    wanted = None if split is None else _known(split) or split
    files: list[Path] = []
    left_out: Counter[str] = Counter()
    other_layouts: Counter[str] = Counter()
    named = {path: _split_of(path.name) for path in sources if not path.is_dir()}
    several = {name for name in named.values() if name is not None}
    if wanted is None and len(several) > 1:
        raise InputError(
            f"{', '.join(map(str, named))}: these are files of several splits ({', '.join(sorted(several))}); "
            f"choose one with --split, or take --split {ALL}"
        )
    for source in sources:
        if source.is_dir():
            groups, others = _groups(source, config)
            other_layouts += others
            chosen = _choose(source, groups, wanted)
        else:
            groups = {named[source] or UNNAMED: [source]}
            chosen = set(groups) if wanted in {None, ALL} or named[source] is None else {wanted}
        taken: list[Path] = []
        for name, paths in groups.items():
            if name in chosen:
                taken += paths
            else:
                left_out[name] += len(paths)
        files += sorted(taken)
    if not files:
        listed = ", ".join(map(str, sources))
        raise InputError(f"{listed}: no file of split {split!r}; there are {', '.join(sorted(left_out))}")
    seen: dict[Path, Path] = {}
    for path in files:
        whole = path.resolve()
        if whole in seen:
            raise InputError(f"{path}: is the same file as {seen[whole]}; give every file once")
        seen[whole] = path
    licenses = {read_card(source if source.is_dir() else source.parent).license for source in sources}
    return Shards(files, dict(left_out + other_layouts), licenses.pop() if len(licenses) == 1 else None)


def other_split(stated: object, split: str | None) -> bool:
    """Return True if a row states a split by one of the usual words, and another one is to be read.

    Args:
        stated: the value in the row's column.
        split: the split to read, as for `find_shards`; None: `train`.
    """
    found = _known(stated) if isinstance(stated, str) else None
    wanted = _TRAIN if split is None else _known(split) or split
    return found is not None and wanted not in {ALL, UNNAMED, found}


def other_splits(row: Mapping[str, object], split: str | None) -> dict[str, object]:
    """Return the columns by which a row states a split that is not to be read, each with its value.

    Args:
        row: the row.
        split: the split to read, as for `find_shards`; None: `train`.

    >>> other_splits({"data_split": "test", "subset": "easy", "latest": "test"}, None)
    {'data_split': 'test'}
    """
    named = {name: value for name, value in row.items() if _SPLIT_COLUMN.search(name)}
    return {name: value for name, value in named.items() if other_split(value, split)}


def _known(text: str) -> str | None:
    """Return the split of which a text is one of the usual words: `validation` for `dev`, `test` for ` TestSet`."""
    word = _WORD.fullmatch(text.strip())
    return _SPLITS[word[1].lower()] if word else None


def layout_of(path: Path) -> str:
    """Return the ending that tells the layout, in small letters: `.jsonl` for `train.jsonl.gz` and `TRAIN.JSONL`."""
    name = path.with_name(path.name.lower())
    return Path(name.stem).suffix if name.suffix in PACKED else name.suffix


def _split_of(path: str) -> str | None:
    """Return the split that a path states: its last part that has such a word decides; None if it has two of them.

    >>> _split_of("data/train-00000-of-00002.parquet"), _split_of("dev/a.jsonl"), _split_of("latest.jsonl")
    ('train', 'validation', None)
    >>> _split_of("train/test.jsonl"), _split_of("train_test.jsonl")
    ('test', None)
    """
    for part in reversed(path.split("/")):
        stated = {_SPLITS[word.lower()] for word in _WORD.findall(part)}
        if stated:
            return stated.pop() if len(stated) == 1 else None
    return None


def _groups(folder: Path, config: str | None) -> tuple[dict[str, list[Path]], Counter[str]]:
    """Return split → files of a folder's layout, and the number of its other files by their ending or name.

    Raises:
        InputError: the folder has no file of any layout, or a file beside a packed one of the same name; or it must be
            said which configuration is meant.
    """
    files = []
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden and _is_data(path):
            files.append(path)
    by_layout = []
    for suffixes in _LAYOUTS:
        by_layout.append([path for path in files if layout_of(path) in suffixes])
    found = [paths for paths in by_layout if paths]
    if not found:
        raise InputError(
            f"{folder}: the folder has no file of JSONL, JSON, Parquet, Arrow or CSV; give the folder of the shards"
        )
    shards = found[0]
    _check_packed_once(shards)
    read = set(shards)
    others = Counter(layout_of(path) or path.name for path in files if path not in read)
    configs = _configs(folder, shards)
    if config is None and len(configs) > 1:
        raise InputError(
            f"{folder}: there are several configurations ({', '.join(configs)}); choose one with --config NAME, or "
            f"--config {ALL}"
        )
    if config not in {None, ALL, *configs}:
        raise InputError(f"--config: {unknown_name('configuration', str(config), list(configs))}")
    groups: dict[str, list[Path]] = {}
    for name, splits in configs.items():
        for split, paths in splits.items():
            if config in {None, ALL, name}:
                groups.setdefault(split, []).extend(paths)
            else:
                others[f"config {name}"] += len(paths)
    return groups, others


def _configs(folder: Path, shards: Sequence[Path]) -> dict[str, dict[str, list[Path]]]:
    """Return configuration → split → files, as the card says; else each folder that states no split is one."""
    card = read_card(folder)
    if card.configs:
        configs = {}
        for name, splits in card.configs.items():
            found = {
                split: [path for path in shards if _matches(path, folder, *patterns)]
                for split, patterns in splits.items()
            }
            configs[name] = _by_split(folder, found.pop("", [])) | {
                _known(split) or split: found[split] for split in found
            }
        return {name: splits for name, splits in configs.items() if any(splits.values())}
    by_folder: dict[str, list[Path]] = {}
    for path in shards:
        first, *rest = path.relative_to(folder).parts
        own = rest and _split_of(first) is None
        by_folder.setdefault(first if own else _DEFAULT, []).append(path)
    return {name: _by_split(folder, paths) for name, paths in by_folder.items()}


def _matches(path: Path, folder: Path, *patterns: str) -> bool:
    relative = path.relative_to(folder).as_posix()
    # `**/` may also stand for no folder.
    return any(fnmatch(relative, form) for pattern in patterns for form in (pattern, pattern.replace("**/", "")))


def _by_split(folder: Path, shards: Sequence[Path]) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = {}
    for path in shards:
        name = _split_of(path.relative_to(folder).as_posix()) or UNNAMED
        groups.setdefault(name, []).append(path)
    return groups


def _check_packed_once(shards: Sequence[Path]) -> None:
    """Refuse a file beside a packed one of the same name: most likely a copy, whose rows would count twice.

    Raises:
        InputError: there are two such files.
    """
    found: dict[Path, Path] = {}
    for path in shards:
        name = path.with_suffix("") if path.suffix.lower() in PACKED else path
        first = found.setdefault(name, path)
        if first != path:
            raise InputError(f"{path}: beside it is {first.name}, which may have the same rows; remove or rename one")


def _is_data(path: Path) -> bool:
    """Return False for an Arrow file that `save_to_disk` did not write: a cache of `datasets` beside the data."""
    state = path.with_name("state.json")
    if path.suffix != ".arrow" or not state.is_file():
        return True
    try:
        listed = json.loads(state.read_text(encoding="utf-8"))["_data_files"]
        return path.name in {entry["filename"] for entry in listed}
    except (ValueError, KeyError, TypeError):
        return True


def _choose(folder: Path, groups: dict[str, list[Path]], wanted: str | None) -> set[str]:
    """Return the splits of a folder that are read.

    Raises:
        InputError: it must be said which split is meant.
    """
    if wanted == ALL or set(groups) == {UNNAMED}:
        return set(groups)
    if wanted is not None:
        return {wanted}
    if _TRAIN in groups:
        return {_TRAIN}
    # A benchmark is published as a test split: nobody trains on it by accident.
    listed = ", ".join(f"{name} ({len(paths)} files)" for name, paths in sorted(groups.items()))
    raise InputError(f"{folder}: there is no split train, but {listed}; choose one with --split, or --split {ALL}")
