"""Write named sets of values (profiles), such as `tiny` for tests, into params.yaml."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from iterpref_core.problems.composition.problem_splits import SPLITS, has_problems
from iterpref_core.records import (
    ConfigError,
    Params,
    flatten,
    load_params,
    profile_values,
    read_yaml,
    with_lines,
    with_values,
)
from iterpref_core.storage.jsonl import atomic_writer, read_pairs, write_jsonl

from .paths import INGESTED, OWN_PAIRS, PARAMS

PROFILES = Path("config/profiles")


class _Representer(RoundTripRepresenter):
    """Write null as `null` instead of an empty value."""


_Representer.add_representer(
    type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
)


def _values_set_here() -> dict[str, Any]:
    """Return the values of params.yaml, by dotted key, that differ from the profile that the file names.

    profile nano has epochs 3, the file has epochs 7 and all else as nano  →  {"training.epochs": 7}
    """
    present = dict(flatten(read_yaml(PARAMS, "run from the repository's root")))
    name = str(present.get("profile"))
    try:
        profile = profile_values(name, PROFILES)
    except ConfigError:  # a profile of one's own that is gone
        return {}
    return {key: present.get(key) for key, value in profile.items() if present.get(key) != value}


def values_for_pairs(pairs: Path, profile: str, params: Params, stated: Mapping[str, Any]) -> dict[str, Any]:
    """Copy pairs into the experiment, and return the values of an experiment on them alone, by dotted key.

    No problem is composed; the debugger, which has nothing to repair, is the student; models are scored on the held-out
    problems that are here, or else on the published benchmarks that need no further installation.

    Args:
        pairs: a file of pairs.
        profile: the profile of the experiment.
        params: of params.yaml.
        stated: the values that the user names.

    Raises:
        RecordError: a row is no pair.
    """
    copy = OWN_PAIRS / f"{pairs.stem}.jsonl"
    write_jsonl(copy, read_pairs(pairs))
    student = (
        stated.get("model.student") or profile_values(profile, PROFILES).get("model.student") or params.model.student
    )
    without = params.problems.model_copy(update=dict.fromkeys(SPLITS, 0))
    held_out = has_problems("heldout", without, INGESTED)
    return {
        **{f"problems.{split}": 0 for split in SPLITS},
        "model.student": student,
        "model.debugger": student,
        "evaluation.benchmarks": ["heldout"] if held_out else ["humaneval", "humaneval+", "mbpp", "mbpp+"],
    }


def write_params(name: str, values: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Move params.yaml from its profile to another one, and write other values over it.

    Values of the file that its own profile does not have stay, unless `values` names them.

    Args:
        name: of the profile.
        values: dotted key → value.

    Returns:
        The changes, and the values that stay, one line a value.

    Raises:
        ConfigError: a profile or parameter is unknown, or a value is out of range. The file is unchanged then.
    """
    set_here = _values_set_here()
    wanted = {key: value for key, value in profile_values(name, PROFILES).items() if key not in set_here}
    values = with_lines(values)
    changes = write_values(wanted | values | {"profile": name})
    kept = [f"{key}: {value} stays, as it was set here" for key, value in set_here.items() if key not in values]
    return changes, kept


def write_values(values: Mapping[str, Any], params: Path = PARAMS) -> list[str]:
    """Write values, by dotted key such as `training.seed`, into a parameters file; comments and all else stay.

    Returns:
        The changes, one line a value.

    Raises:
        ConfigError: a parameter is unknown, or a value is out of range. The file is unchanged then.
    """
    # Check all values before anything is written.
    values = with_lines(values)
    with_values(load_params(params), values)
    # Read the file again in round-trip mode, which keeps comments and the order of keys.
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.Representer = _Representer
    content = yaml.load(params.read_text(encoding="utf-8"))
    changes = []
    for key, value in values.items():
        # `training.objectives.sft.alpha`: go down the sections, and set the last key.
        *sections, last = key.split(".")
        section = content
        for part in sections:
            if section.get(part) is None:  # null, such as training.lora
                section[part] = {}
            section = section[part]
        written = _in_one_line(value) if isinstance(value, list | tuple) else value
        if isinstance(value, str) and (":" in value or not value.isprintable()):
            # Without quotes, ruamel.yaml could not read `{separator: 1:30}` again, and would read every line end of
            # Unicode as a space.
            written = DoubleQuotedScalarString(value)
        if last not in section:
            changes.append(f"{key}: {written}, which is new")
        elif section[last] != written:
            changes.append(f"{key}: {section[last]} → {written}")
        else:
            continue  # keep it as the user wrote it: 5.0e-6, not 5e-06
        section[last] = written
    with atomic_writer(params) as file:
        yaml.dump(content, file)
    return changes


def _in_one_line(values: Sequence[Any]) -> CommentedSeq:
    """Return a list that is written in one line, as `[heldout, mbpp]`."""
    written = CommentedSeq(values)
    written.fa.set_flow_style()
    return written
