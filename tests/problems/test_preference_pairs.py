"""Preference pairs by others' columns: programs come out of their fences, and can be localized."""

import doctest
import json
from pathlib import Path
from typing import Any

import pytest

from iterpref_core.config import LocalizationParams
from iterpref_core.errors import InputError, RecordError
from iterpref_core.localization.localization import localize_pairs
from iterpref_core.problems.formats import preference_pairs
from iterpref_core.problems.formats.preference_pairs import ingest_pairs
from iterpref_core.records import FocalSpans
from iterpref_core.storage.jsonl import read_jsonl, read_pairs
from tests.settings import section

CHOSEN = "def f(x):\n    return x + 1\n"
REJECTED = "def f(x):\n    return x\n"


def fenced(code: str) -> str:
    return f"Here it is:\n```python\n{code}```\nIt adds one."


PAIR = {"prompt": "Add one.", "chosen": fenced(CHOSEN), "rejected": fenced(REJECTED)}


def test_the_example_holds() -> None:
    assert doctest.testmod(preference_pairs).failed == 0


def test_programs_come_out_of_their_fences_and_can_be_localized(tmp_path: Path) -> None:
    source, out, spans = tmp_path / "in.json", tmp_path / "pairs.jsonl", tmp_path / "focal.jsonl"
    records = [PAIR, PAIR | {"chosen": PAIR["rejected"]}, PAIR]
    source.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert ingest_pairs(source, out) == {"pairs": 2, "dropped/same_program": 1}
    pairs = list(read_pairs(out))
    assert [(pair.task_id, pair.chosen, pair.rejected) for pair in pairs] == [
        ("pair-1", CHOSEN, REJECTED),
        ("pair-3", CHOSEN, REJECTED),
    ]
    focal = section(LocalizationParams, method="line_lcs", empty="anchor", max_executions=8, widen_lines=0, seed=1)
    assert localize_pairs(out, focal, spans)["pairs"] == 2
    ((start, end),) = next(read_jsonl(spans, FocalSpans)).rejected
    assert REJECTED[start:end] == "    return x"


def chat(*turns: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in turns]


@pytest.mark.parametrize(
    ("change", "result"),
    [
        ({"chosen": CHOSEN, "rejected": REJECTED}, {"pairs": 1}),
        ({"chosen": CHOSEN, "rejected": "def f(x:\n"}, {"pairs": 1}),
        ({"chosen": "I cannot do this."}, {"dropped/no_code": 1}),
        ({"chosen": "Paris", "rejected": "42"}, {"dropped/no_code": 1}),
        ({"rejected": "I cannot do this."}, {"dropped/no_code": 1}),
        ({"chosen": " "}, {"dropped/no_code": 1}),
        ({"chosen": chat(("user", "Add one."), ("assistant", fenced(CHOSEN)))}, {"pairs": 1}),
        ({"chosen": chat(("user", "Add one."))}, {"dropped/no_code": 1}),
        ({"prompt": chat(("system", "Be brief."), ("user", "Add one."))}, {"pairs": 1}),
        ({"prompt": chat(("user", "Hi."), ("assistant", "Hi."), ("user", "Add."))}, {"dropped/several_turns": 1}),
        ({"chosen": fenced("x = 1\n") + fenced(CHOSEN)}, {"pairs": 1}),
    ],
)  # fmt: skip
def test_what_is_no_pair_of_programs_is_left_out_by_name(
    tmp_path: Path, change: dict[str, Any], result: dict[str, int]
) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "pairs.jsonl"
    other = PAIR | {"prompt": "Another."}
    source.write_text(f"{json.dumps(PAIR | change)}\n{json.dumps(other)}\n")
    counts = ingest_pairs(source, out)
    expected = {"pairs": 0} | result
    assert counts == expected | {"pairs": expected["pairs"] + 1}
    if result.get("pairs"):
        pair = next(read_pairs(out))
        assert pair.chosen == CHOSEN
        assert pair.prompt.endswith("Add one.")


def test_a_chat_brings_its_own_prompt(tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "pairs.jsonl"
    record = {
        "chosen": chat(("user", "Add one."), ("assistant", fenced(CHOSEN))),
        "rejected": chat(("user", "Add one."), ("assistant", fenced(REJECTED))),
    }
    source.write_text(json.dumps(record))
    ingest_pairs(source, out)
    assert next(read_pairs(out)).prompt == "Add one."


def test_files_without_pairs_are_refused(tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "pairs.jsonl"
    source.write_text(json.dumps(PAIR | {"rejected": PAIR["chosen"]}))
    with pytest.raises(InputError, match=r"no pair to ingest \(1 dropped/same_program\)"):
        ingest_pairs(source, out)
    source.write_text(json.dumps({"prompt": "p", "chosen": "c"}))
    with pytest.raises(RecordError, match=r"in.jsonl:1: field 'rejected': Field required"):
        ingest_pairs(source, out)
    assert not out.exists()


def test_pairs_keep_their_names_and_repeated_ones_are_named_by_their_line(tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "pairs.jsonl"
    names: list[object] = ["a", "a", 7, "", None]
    source.write_text("\n".join(json.dumps(PAIR | {"task_id": name}) for name in names))
    ingest_pairs(source, out)
    assert [pair.task_id for pair in read_pairs(out)] == ["a", "pair-2", "7", "pair-4", "pair-5"]
