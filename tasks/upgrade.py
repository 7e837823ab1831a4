"""Carry a user's settings over an upgrade, after which params.yaml may have a conflict, or parameters that are gone."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from iterpref_core.records import (
    ConfigError,
    InputError,
    flatten,
    load_params,
    parse_yaml,
    profile_values,
    read_yaml,
    with_lines,
    with_values,
)
from iterpref_core.storage.jsonl import write_text

from .changed_values import changed_values
from .git.command import GitError, git
from .paths import CHECKOUT, PARAMS
from .profiles import PROFILES, write_values


def carry_over() -> list[str]:
    """Write the new release's params.yaml with the user's values, if the file as it is cannot be used.

    Git keeps three versions of a file with a conflict: the common one, in which the user's values differ from one side,
    and both sides. Without a conflict, the user has taken the old side, and the commit has the new one.

    Returns:
        A line for each value that was carried over or left out; nothing if the file can be used.

    Raises:
        InputError: git does not have a version of the file that can be used.
    """
    text = PARAMS.read_text("utf-8")
    try:
        load_params()
    except InputError as error:
        problem = error
    else:
        return []
    try:
        if re.search(r"(?m)^<{7} ", text):
            common, *sides = (git("show", f":{number}:./{PARAMS}").decode() for number in (1, 2, 3))
        else:
            common = git("show", f"HEAD:./{PARAMS}").decode()
            sides = [common, text]
    except GitError:
        raise problem from None
    if not (usable := [side for side in sides if _is_valid(side)]):
        raise problem
    write_text(PARAMS, usable[0])
    [other] = [side for side in sides if side is not usable[0]]
    before, present = (dict(flatten(parse_yaml(side))) for side in (common, other))
    profile: dict[str, Any] = {}
    # Values of the old release's profile are not the user's own. Git names the commit before a pull ORIG_HEAD.
    with suppress(InputError), TemporaryDirectory() as folder:
        for path in git("ls-tree", "--name-only", "ORIG_HEAD", f"{PROFILES}/").decode().split():
            Path(folder, Path(path).name).write_bytes(git("show", f"ORIG_HEAD:./{path}"))
        name = str(present.get("profile"))
        profile = profile_values(name, PROFILES)
        before |= profile_values(name, Path(folder))
    return list(_carry(changed_values(present, before), profile))


def _carry(values: dict[str, Any], profile: dict[str, Any]) -> Iterator[str]:
    """Write the values of a profile and, over them, the user's that the new release takes, with a line for each."""
    taken = dict(profile)
    params = load_params()
    removed = read_yaml(CHECKOUT / "config/removed.yaml")
    for key, value in values.items():
        try:
            if key in removed:
                raise ConfigError(key)
            with_values(params, {key: value})
        except ConfigError as error:
            instead = next((advice for name, advice in removed.items() if key.startswith(name)), "")
            yield f"{key}: {value} is left out: " + (f"use {instead}" if instead else str(error))
        else:
            taken |= with_lines({key: value})
            yield f"{key}: {value} is carried over"
    write_values(taken)


def _is_valid(text: str) -> bool:
    """Return whether a version of params.yaml can be used."""
    candidate = PARAMS.with_suffix(".new.yaml")
    candidate.write_text(text, "utf-8")
    try:
        load_params(candidate)
    except InputError:
        return False
    finally:
        candidate.unlink()
    return True
