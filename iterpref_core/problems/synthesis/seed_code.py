"""Read seed code from the Python files of a folder, or from the programs of a JSONL file."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from pydantic import AliasChoices, Field

from iterpref_core.programs.source_code.license import UNKNOWN, is_allowed, license_of_folder, license_of_source
from iterpref_core.programs.source_code.private_data import find_private
from iterpref_core.records import Record, read_text
from iterpref_core.storage.jsonl import read_jsonl


class SeedProgram(Record):
    """A line of a JSONL file of code; other fields are ignored."""

    example = '{"code": "def f(n): ..."}'

    code: str = Field(validation_alias=AliasChoices("code", "content"))


def read_seeds(source: Path) -> Iterator[str]:
    """Stream the programs of a folder (`*.py`, in the order of their paths) or of a JSONL file (`code`, `content`).

    Raises:
        InputError: the source is absent, or a file is not UTF-8.
        RecordError: a line is broken.
    """
    if source.is_dir():
        for path in sorted(source.rglob("*.py")):
            if path.is_file():
                yield read_text(path)
        return
    for program in read_jsonl(source, SeedProgram):
        yield program.code


def filter_for_others(
    source: Path,
    license: str | None,
    allowed: Collection[str],
) -> Callable[[str], str | None]:
    """Return a function that gives the reason to withhold a program from models on other machines.

    Args:
        source: the seed code.
        license: the license of programs that state none, an SPDX expression; None to look for one in the folder.
        allowed: SPDX identifiers.

    Returns:
        A function from a program to `license`, a reason of `private_data.find_private`, or None.
    """
    otherwise = license or license_of_folder(source)
    # One's own folder may become problems here without a license, but nothing is sent without one.
    stated = set(allowed) - {UNKNOWN}

    def reason(program: str) -> str | None:
        if not is_allowed(license_of_source(program, otherwise), stated):
            return "license"
        found = find_private(program)
        return found and found.reason

    return reason


def fit_seeds(
    seeds: Iterator[str],
    max_chars: int,
    reason_against: Callable[[str], str | None] | None,
    counts: Counter[str],
) -> Iterator[str]:
    """Yield the part of each seed that a model may read. A withheld seed is left out, a long seed is cut.

    Args:
        seeds: programs.
        max_chars: the limit of a seed; a longer one is cut after the last line that fits.
        reason_against: returns why a program must not reach the model; None for a model that may read all.
        counts: grows by `seeds`, `seeds/cut` and `seeds/dropped/<reason>`; the reason is `empty`, or what
            `reason_against` returns.
    """
    for seed in seeds:
        counts["seeds"] += 1
        # Check the whole file, not only the part to send: a license may be at its end.
        withheld = reason_against(seed) if reason_against else None
        reason = "empty" if not seed.strip() else withheld
        if reason is not None:
            counts[f"seeds/dropped/{reason}"] += 1
        elif len(seed) > max_chars:
            counts["seeds/cut"] += 1
            yield seed[: seed.rfind("\n", 0, max_chars) + 1] or seed[:max_chars]
        else:
            yield seed
