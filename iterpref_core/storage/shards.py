"""Shards: the files of a source, which may be a folder of several configurations and splits in any layout that is read.

A folder may have several sets, its configurations: its card names them, or they are its folders. And each has the
splits that the card or its files' names state (`train-00000-of-00002.parquet`, `test/a.jsonl`). They are never mixed
without a word: of several configurations one must be named; of several splits `train` is read, and the others are
counted.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from os.path import commonpath
from pathlib import Path
from typing import NamedTuple

from iterpref_core.records.errors import InputError, unknown_name
from iterpref_core.records.input_files import PACKED
from iterpref_core.storage.data_card import find_license, read_card

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
mostly copies of its data, or describe them (`dataset_infos.json`)."""
_ENDINGS = {ending for endings in _LAYOUTS for ending in endings}
_SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation", "heldout", "holdout"), "test"),
}
"""Word in a file's or folder's name → split, as `datasets` reads these names; and two more words for a benchmark."""
_WORD = re.compile(rf"(?<![^\W\d_])({'|'.join(_SPLITS)})(?:set)?(?![^\W\d_])", re.IGNORECASE)
"""Such a word between characters that are no letters, also as in `testset`."""
_SHARD = re.compile(r"(\w+(?:\.\w+)*)-\d{5}-of-\d{5}\b.*")
"""The name of a shard, which `datasets` begins with that of its split: `use_with_caution-00000-of-00001.parquet`."""


class Shards(NamedTuple):
    """The files of sources.

    Attributes:
        files: the files to read, in order.
        left_out: split, or ending of another layout → number of its files, which are not read.
        license: SPDX on the card of the sources, if they have one and the same.
    """

    files: list[Path]
    left_out: dict[str, int]
    license: str | None = None


def find_shards(sources: Sequence[Path], split: str | None = None, config: str | None = None) -> Shards:
    """Return the files of sources, each folder's in the order of their names. Files that are named are all read.

    Args:
        sources: files, and folders of shards, which are searched at any depth.
        split: the split of folders to read, `all` for every file. None: a folder's only files, or its `train`.
        config: the configuration to read where a folder has several, `all` for every one.

    Raises:
        InputError: a folder has no file that can be read, or it must be said which configuration or split is meant.
    """
    wanted = None if split is None else _known(split) or split
    files: list[Path] = []
    left_out: Counter[str] = Counter()
    for source in sources:
        if not source.is_dir():
            files.append(source)
            continue
        configs, others = _read_folder(source)
        shards = _choose_config(source, configs, config)
        left_out.update(others)
        chosen = _choose(source, Counter(shards.values()), wanted)
        files += [path for path, name in shards.items() if name in chosen]
        left_out.update(name for name in shards.values() if name not in chosen)
    if not files:
        listed = ", ".join(map(str, sources))
        raise InputError(f"{listed}: no file of split {split!r}; there are {', '.join(sorted(left_out))}")
    licenses = set(map(find_license, sources))
    return Shards(files, dict(left_out), licenses.pop() if len(licenses) == 1 else None)


def other_split(stated: object, split: str | None) -> bool:
    """Return True if a row states another split than the one that is read.

    Args:
        stated: the value in the row's column; what has none of the usual words is a split if the user names such a one.
        split: the split to read, as for `find_shards`; None: `train`.
    """
    if not isinstance(stated, str) or not stated.strip() or split in {ALL, UNNAMED}:
        return False
    wanted = _TRAIN if split is None else _known(split) or split
    usual = _split_of(stated)
    return wanted not in {usual, stated.strip()} and (usual is not None or wanted not in _SPLITS.values())


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


def _read_folder(folder: Path) -> tuple[dict[str, dict[Path, str]], Counter[str]]:
    """Return the files of each configuration with their splits, and the number of other data files by their endings.

    Raises:
        InputError: the folder has no data file.
    """
    every = [path for path in sorted(folder.rglob("*")) if path.is_file() and layout_of(path) in _ENDINGS]
    shown = [path for path in every if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    if not shown:
        raise InputError(f"{folder}: the folder has no file of JSONL, JSON or Parquet; give the folder of the shards")
    configs: dict[str, dict[Path, str]] = {}
    for name, splits in read_card(folder).configs.items():
        named = _matching(folder, shown, splits)
        if named:
            configs[name] = {path: named[path] for path in _of_one_layout(named)}
    if configs:
        return configs, Counter()
    files = _of_one_layout(shown)
    # All files of `data/python` and `data/java` stand in `data`, which tells nothing.
    shared = commonpath([path.parent for path in files])
    for path, split in _stated_splits(folder, files).items():
        first, *rest = path.relative_to(shared).parts
        name = first if rest and _split_of(first) is None else _DEFAULT
        configs.setdefault(name, {})[path] = split
    return configs, Counter(layout_of(path)[1:] for path in sorted({*shown} - {*files}))


def _matching(folder: Path, files: Sequence[Path], splits: Mapping[str, Sequence[str]]) -> dict[Path, str]:
    """Return the files that a card's patterns name, with their splits."""
    found: dict[Path, str] = {}
    for split, patterns in splits.items():
        # A pattern of `glob` may not begin with `/`. `data/**` names folders.
        named = {path for pattern in patterns for path in folder.glob(f"./{pattern}")}
        found |= {path: _known(split) or split for path in files if named & {path, *path.parents}}
    return found


def _choose_config(folder: Path, configs: Mapping[str, Mapping[Path, str]], config: str | None) -> dict[Path, str]:
    """Return the files of a configuration, in the order of their names, each with its split.

    Raises:
        InputError: it must be said which configuration is meant.
    """
    if config is None and len(configs) > 1:
        raise InputError(
            f"{folder}: there are several configurations ({', '.join(configs)}); choose one with --config NAME, or "
            f"--config {ALL}"
        )
    if config not in {None, ALL, *configs}:
        raise InputError(f"--config: {unknown_name('configuration', str(config), list(configs))}")
    taken = [item for name, paths in configs.items() if config in {None, ALL, name} for item in paths.items()]
    return dict(sorted(taken))


def _stated_splits(folder: Path, files: Sequence[Path]) -> dict[Path, str]:
    """Return the split that each file's name states, or else its folders' names."""
    usual = {path: _split_of(path.relative_to(folder).as_posix()) for path in files}
    shards = {path: found[1] for path in files if (found := _SHARD.fullmatch(path.name))}
    # The `part` of `part-00000-of-00002` is no split where there is no other one.
    has_splits = any(usual.values()) or len(set(shards.values())) > 1
    splits: dict[Path, str] = {}
    for path, split in usual.items():
        shard = shards.get(path, "") if has_splits else ""
        # `train_prefs-00000-of-00001` is not `train`; but of `train/part-00000-of-00001` the folder states the split.
        own = shard if split is None or _split_of(shard) else ""
        splits[path] = _known(own) or own or split or UNNAMED
    return splits


def _of_one_layout(paths: Iterable[Path]) -> list[Path]:
    """Return the files of the first layout that one of them has."""
    for suffixes in _LAYOUTS:
        found = [path for path in paths if layout_of(path) in suffixes]
        if found:
            return found
    return []


def _choose(folder: Path, splits: Counter[str], wanted: str | None) -> set[str]:
    """Return the splits of a folder that are read.

    Raises:
        InputError: it must be said which split is meant.
    """
    if wanted == ALL or set(splits) == {UNNAMED}:
        return set(splits)
    if wanted is not None or _TRAIN in splits:
        return {wanted or _TRAIN}
    # A benchmark is published as a test split: nobody trains on it by accident.
    listed = ", ".join(f"{name} ({count} files)" for name, count in sorted(splits.items()))
    raise InputError(f"{folder}: there is no split train, but {listed}; choose one with --split, or --split {ALL}")
