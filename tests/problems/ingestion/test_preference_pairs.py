"""Preference pairs by others' columns and shapes: programs come out of their answers, and can be localized."""

import doctest
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from iterpref_core.pairs.ingestion.preference_pairs import ingest_pairs
from iterpref_core.pairs.localization.localization import localize_pairs
from iterpref_core.problems.ingestion import columns, programs
from iterpref_core.problems.ingestion.columns import parse_columns
from iterpref_core.problems.ingestion.intake import Source
from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.records.config import LocalizationParams
from iterpref_core.records.errors import ConfigError, InputError
from iterpref_core.records.prompt_messages import plain_prompt, question
from iterpref_core.storage.jsonl import read_jsonl, read_pairs
from tests.settings import ROOT, section
from tests.texts import written

CHOSEN = "def f(x):\n    return x + 1\n"
REJECTED = "def f(x):\n    return x\n"


def fenced(code: str) -> str:
    return f"Here it is:\n```python\n{code}```\nIt adds one."


PAIR = {"prompt": "Add one.", "chosen": fenced(CHOSEN), "rejected": fenced(REJECTED)}


def test_the_examples_hold() -> None:
    assert doctest.testmod(programs).failed == 0
    assert doctest.testmod(columns).failed == 0


def taken(source: Path, **options: Any) -> tuple[dict[str, float], list[PreferencePair]]:
    out = source.with_suffix(".pairs")
    found = ingest_pairs(Source([source]), out, **options)
    return found.counts, list(read_pairs(out))


def test_programs_come_out_of_their_fences_and_can_be_localized(tmp_path: Path) -> None:
    source, out, spans = tmp_path / "in.json", tmp_path / "pairs.jsonl", tmp_path / "focal.jsonl"
    records = [PAIR, PAIR | {"chosen": PAIR["rejected"]}, PAIR]
    source.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert ingest_pairs(Source([source]), out).counts == {"pairs": 2, "dropped/same_program": 1}
    pairs = list(read_pairs(out))
    assert [(pair.task_id, pair.chosen, pair.rejected) for pair in pairs] == [
        ("pair-1", CHOSEN, REJECTED),
        ("pair-3", CHOSEN, REJECTED),
    ]
    focal = section(LocalizationParams, method="line_lcs", empty="anchor", widen_lines=0)
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
        ({"chosen": " "}, {"dropped/empty": 1}),
        ({"prompt": " "}, {"dropped/no_prompt": 1}),
        ({"prompt": None}, {"dropped/no_prompt": 1}),
        ({"chosen": chat(("user", "Add one."), ("assistant", fenced(CHOSEN)))}, {"pairs": 1}),
        ({"chosen": chat(("user", "Add one."))}, {"dropped/empty": 1}),
        ({"prompt": chat(("system", "Be brief."), ("user", "Add one."))}, {"pairs": 1}),
        ({"prompt": chat(("user", "Hi."), ("assistant", "Hi."), ("user", "Add one."))}, {"pairs": 1}),
        ({"prompt": chat(("user", "Add one."), ("assistant", "Hi."))}, {"dropped/bad_record": 1}),
        ({"prompt": chat(("tool", "3"), ("user", "Add one."))}, {"dropped/bad_record": 1}),
        ({"prompt": chat(("system", "Be brief."))}, {"dropped/no_prompt": 1}),
        ({"chosen": fenced("x = 1\n") + fenced(CHOSEN)}, {"pairs": 1}),
    ],
)  # fmt: skip
def test_what_is_no_pair_of_programs_is_left_out_by_name(
    tmp_path: Path, change: dict[str, Any], result: dict[str, int]
) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "pairs.jsonl"
    other = PAIR | {"prompt": "Another."}
    source.write_text(f"{json.dumps(PAIR | change)}\n{json.dumps(other)}\n")
    counts = ingest_pairs(Source([source]), out).counts
    assert counts == result | {"pairs": result.get("pairs", 0) + 1}
    if result.get("pairs"):
        pair = next(read_pairs(out))
        assert pair.chosen == CHOSEN
        assert question(pair.prompt) == "Add one."


def test_a_chat_brings_its_own_prompt(tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "pairs.jsonl"
    record = {
        "chosen": chat(("user", "Add one."), ("assistant", fenced(CHOSEN))),
        "rejected": chat(("user", "Add one."), ("assistant", fenced(REJECTED))),
    }
    source.write_text(json.dumps(record))
    ingest_pairs(Source([source]), out)
    assert next(read_pairs(out)).prompt == "Add one."


def test_answers_with_earlier_answers_before_them_are_left_out(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = []
    for before in (TURNS, TURNS[1:]):
        row = {"chosen": [*before, *chat(("assistant", CHOSEN))], "rejected": [*before, *chat(("assistant", REJECTED))]}
        rows += [row | {"prompt": "Hi."}, row | {"prompt": TURNS[:1]}]
    text = "\n\nHuman: Hi.\n\nAssistant: Hi.\n\nHuman: Add one.\n\nAssistant: "
    rows.append({"chosen": text + fenced(CHOSEN), "rejected": text + fenced(REJECTED)})
    found = ingest_pairs(Source([written(tmp_path / "in.jsonl", *rows, PAIR)]), tmp_path / "pairs.jsonl")
    assert found.counts == {"pairs": 1, "dropped/several_turns": len(rows)}


def test_two_sides_that_answer_different_questions_are_no_pair(tmp_path: Path) -> None:
    sides = {"chosen": CHOSEN, "rejected": REJECTED}
    asked = {name: chat(("user", "Add one."), ("assistant", code)) for name, code in sides.items()}
    other = chat(("user", "Take one."), ("assistant", REJECTED))
    found = ingest_pairs(
        Source([written(tmp_path / "in.jsonl", asked | {"rejected": other}, PAIR)]), tmp_path / "pairs.jsonl"
    )
    assert found.counts == {"pairs": 1, "dropped/different_turns": 1}


def test_a_question_about_a_picture_is_not_read_without_the_picture(tmp_path: Path) -> None:
    parts = [{"type": "image", "image": "a.png"}, {"type": "text", "text": "Add one, as here."}]
    with pytest.raises(InputError, match="a message has the texts `role` and `content`"):
        taken(written(tmp_path / "in.jsonl", PAIR | {"prompt": [{"role": "user", "content": parts}]}))


def test_files_without_pairs_are_refused(tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "pairs.jsonl"
    source.write_text(json.dumps(PAIR | {"rejected": PAIR["chosen"]}))
    with pytest.raises(InputError, match=r"no pair to ingest \(1 same_program;"):
        ingest_pairs(Source([source]), out)
    source.write_text(json.dumps({"prompt": "p", "chosen": "c"}))
    missing = r"in.jsonl:1: no column `rejected`; there are prompt, chosen: name it with --columns"
    with pytest.raises(InputError, match=missing):
        ingest_pairs(Source([source]), out)
    source.write_text(json.dumps({"my\nprompt": "p", "c": "c"}))
    with pytest.raises(InputError, match=r"^.*in.jsonl:1: no column `chosen`; there are my prompt, c: name it.*$"):
        ingest_pairs(Source([source]), out)
    assert not out.exists()


def test_pairs_keep_their_names_and_repeated_ones_are_numbered(tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "pairs.jsonl"
    names: list[object] = ["a", "a", 7, "", None]
    source.write_text("\n".join(json.dumps(PAIR | {"task_id": name}) for name in names))
    ingest_pairs(Source([source]), out)
    assert [pair.task_id for pair in read_pairs(out)] == ["a", "a#2", "7", "pair-4", "pair-5"]
    assert [pair.problem for pair in read_pairs(out)][:2] == ["a", "a"], (
        "two pairs of one problem are held out together"
    )


TURNS = chat(("user", "Hi."), ("assistant", "Hi."), ("user", "Add one."))

SHAPES: dict[str, tuple[dict[str, Any], str | None, Any]] = {
    "other names": (
        {"instruction": "Add", "input": "one.", "accepted": fenced(CHOSEN), "rejected": fenced(REJECTED)},
        "prompt=instruction+input,chosen=accepted",
        "Add\none.",
    ),
    "an empty input": (
        {"instruction": "Add one.", "input": "", "accepted": CHOSEN, "rejected": REJECTED},
        "prompt=instruction+input, chosen=accepted",
        "Add one.",
    ),
    "a system column": (
        {"system": "You code.", "question": "Add one.", "chosen": CHOSEN, "rejected": REJECTED},
        "prompt=question",
        chat(("system", "You code."), ("user", "Add one.")),
    ),
    "ShareGPT's messages": (
        {
            "conversations": [{"from": "human", "value": "Add one."}],
            "chosen": {"from": "gpt", "value": fenced(CHOSEN)},
            "rejected": {"from": "gpt", "value": fenced(REJECTED)},
        },
        "prompt=conversations",
        "Add one.",
    ),
    "messages": (
        {
            "prompt": chat(("system", "Be terse."), ("user", "Add one.")),
            "chosen": chat(("assistant", fenced(CHOSEN))),
            "rejected": chat(("assistant", fenced(REJECTED))),
        },
        None,
        chat(("system", "Be terse."), ("user", "Add one.")),
    ),
    "several turns": (
        {
            "prompt": chat(("user", "Hi."), ("assistant", "Hi."), ("user", "Add one.")),
            "chosen": chat(("assistant", fenced(CHOSEN))),
            "rejected": chat(("assistant", fenced(REJECTED))),
        },
        None,
        TURNS,
    ),
    "a prompt beside whole conversations": (
        {
            "prompt": "Add one.",
            "chosen": chat(("user", "Add one."), ("assistant", fenced(CHOSEN))),
            "rejected": chat(("user", "Add one."), ("assistant", fenced(REJECTED))),
        },
        None,
        "Add one.",
    ),
    "a prompt beside conversations with a message of the system": (
        {
            "prompt": "Add one.",
            "chosen": chat(("system", "Be brief."), ("user", "Add one.\n"), ("assistant", fenced(CHOSEN))),
            "rejected": chat(("system", "Be brief."), ("user", "Add one.\n"), ("assistant", fenced(REJECTED))),
        },
        None,
        chat(("system", "Be brief."), ("user", "Add one.\n")),
    ),
    "conversations in a text": (
        {
            "chosen": f"\n\nHuman: Add one.\n\nAssistant: {fenced(CHOSEN)}",
            "rejected": f"\n\nHuman: Add one.\n\nAssistant: {fenced(REJECTED)}",
        },
        None,
        "Add one.",
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_gives_the_same_pair(tmp_path: Path, name: str) -> None:
    row, named, prompt = SHAPES[name]
    expected = [("pair-1", prompt, CHOSEN, REJECTED)]
    (tmp_path / "array.json").write_text(json.dumps([row], indent=1))
    parquet.write_table(pa.Table.from_pylist([row]), tmp_path / "rows.parquet")
    for source in (written(tmp_path / "in.jsonl", row), tmp_path / "array.json", tmp_path / "rows.parquet"):
        _, pairs = taken(source, columns=named)
        assert [(pair.task_id, plain_prompt(pair.prompt), pair.chosen, pair.rejected) for pair in pairs] == expected


def test_a_column_that_the_user_names_is_the_prompt_whatever_stands_before_the_answer(tmp_path: Path) -> None:
    asked = chat(("user", "Add one."))
    row = {
        "task": "Add one to x.",
        "chosen": [*asked, *chat(("assistant", CHOSEN))],
        "rejected": [*asked, *chat(("assistant", REJECTED))],
    }
    source = written(tmp_path / "in.jsonl", row)
    assert [taken(source, columns=named)[1][0].prompt for named in (None, "prompt=task")] == ["Add one.", row["task"]]


def test_pairs_have_the_license_of_their_sets_card(tmp_path: Path) -> None:
    row = {"domain": "code", "context": "Add one.", "response1": CHOSEN, "response2": REJECTED}
    source = written(tmp_path / "in.jsonl", row | {"overall_preference": -2})
    _, (pair,) = taken(source, form="helpsteer3")
    assert (pair.chosen, pair.license) == (CHOSEN, "CC-BY-4.0")


@pytest.mark.parametrize(
    "text", ["prompt", "prompt=", "question=prompt", "prompt=a,prompt=b", "prompt=a+", "prompt=a,,chosen=b", ""]
)
def test_columns_that_cannot_be_understood_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"write it as prompt=instruction\+input,chosen=accepted,rejected=rejected"):
        parse_columns(text)


RUST = "```rust\nfn add(a: i32) -> i32 { a + 1 }\n```"


@pytest.mark.parametrize(
    ("chosen", "rejected", "result"),
    [
        (RUST, RUST.replace("+", "-"), "no_code"),
        (fenced(CHOSEN), RUST, "no_code"),
        ("fn add(a: i32) -> i32 { a + 1 }", "fn add(a: i32) -> i32 { a - 1 }", "no_code"),
        ("#include <stdio.h>\nint main() { return 0; }", "int main() { return 1; }", "no_code"),
        ("const f = (x) => x + 1;", "const f = (x) => x;", "no_code"),
        ("I cannot do this.", fenced(REJECTED), "no_code"),
        ("", fenced(REJECTED), "empty"),
        (fenced(CHOSEN), CHOSEN, "same_program"),
        (fenced(CHOSEN), f"{fenced(REJECTED)}\nIts test:\n{fenced('def test_f(): assert f(1)')}", (CHOSEN, REJECTED)),
        (f"{fenced(CHOSEN)}\nIts test:\n{fenced('def test_f(): assert f(1)')}", fenced(REJECTED), (CHOSEN, REJECTED)),
    ],
)
def test_programs_are_found_by_what_both_sides_define(
    chosen: str, rejected: str, result: str | tuple[str, str]
) -> None:
    found: str | tuple[str, str]
    try:
        found = programs.find_programs(chosen, rejected)
    except columns.LeftOutError as error:
        found = error.reason
    assert found == result


def test_a_pair_keeps_the_problem_that_its_set_names(tmp_path: Path) -> None:
    rows = [PAIR | {"problem_id": problem} for problem in ("sum", 7, None)]
    _, pairs = taken(written(tmp_path / "in.jsonl", *rows, PAIR))
    assert [pair.problem_id for pair in pairs] == ["sum", "7", None, None]


def test_shards_are_read_one_after_another_and_every_row_left_out_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    written(folder / "a.jsonl", PAIR, PAIR | {"chosen": "No."})
    written(folder / "b.jsonl", {"prompt": "p", "chosen": 3, "rejected": "x"}, PAIR)
    found = ingest_pairs(Source([folder]), tmp_path / "out", dropped=tmp_path / "dropped")
    assert found.counts == {"pairs": 2, "dropped/no_code": 1, "dropped/bad_record": 1}
    assert [pair.task_id for pair in read_pairs(tmp_path / "out")] == ["pair-1", "pair-4"]
    lines = [json.loads(line) for line in (tmp_path / "dropped").read_text().splitlines()]
    assert [(line["reason"], line["where"]) for line in lines] == [
        ("no_code", f"{folder}/a.jsonl:2"),
        ("bad_record", f"{folder}/b.jsonl:1"),
    ]
    assert lines[1]["explanation"] == "a text or messages are expected, not int"


PUBLIC = {
    "p_acecodepair": "prompt=instruction+input",
    "p_codesteer_multiturn": None,
    "p_cuf_bin": "prompt=instruction",
    "p_hh": None,
    "p_intel_orca": "prompt=question",
    "p_lf_alpaca": "prompt=instruction+input",
    "p_lf_sharegpt": "prompt=conversations",
    "p_openrlhf": None,
    "p_pydpo": None,
    "p_target": None,
    "p_trl_explicit": None,
    "p_trl_implicit": None,
    "p_ufb": None,
}


def test_every_record_of_the_public_sets_goes_in(tmp_path: Path) -> None:
    folder = ROOT.parent / "shared/field/sets"
    if not folder.is_dir():
        pytest.skip("there are no records of public sets beside this checkout")
    out = tmp_path / "out"
    for name, named in PUBLIC.items():
        counts = ingest_pairs(Source([folder / f"{name}.jsonl"]), out, columns=named).counts
        assert counts == {"pairs": 3}, name
    assert ingest_pairs(Source([folder / "p_target_array.json"]), out).counts == {"pairs": 3}
    assert ingest_pairs(Source([folder / "p_oneline.json"]), out).counts == {"pairs": 1}
    vezora = ingest_pairs(Source([folder / "p_vezora.jsonl"]), out, columns="prompt=instruction+input,chosen=accepted")
    assert vezora.counts == {"pairs": 2, "dropped/no_code": 1}
    with pytest.raises(InputError, match="no column `chosen`; there are instruction, annotations, preference"):
        ingest_pairs(Source([folder / "p_cuf.jsonl"]), out, columns="prompt=instruction")
