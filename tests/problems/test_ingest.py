"""Foreign problems: taken only when sound, and never a benchmark's."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from iterpref_core.errors import InputError, RecordError
from iterpref_core.problems.formats.mbpp_format import mbpp_plus_ids
from iterpref_core.problems.ingest import Ingested, ProblemFormat
from iterpref_core.problems.ingest import ingest as ingest_with
from iterpref_core.records import IoTest, Problem
from iterpref_core.storage.jsonl import read_jsonl
from tests.settings import EXECUTION

SOUND: dict[str, Any] = {
    "task_id": "own/1",
    "prompt": "Add one.",
    "entry_point": "f",
    "tests": [{"kind": "io", "call": "f(1)", "expected": "2"}],
    "reference": "def f(x):\n    return x + 1\n",
}
MBPP: dict[str, Any] = {
    "text": "Write a function to add one.",
    "code": "def plus(x):\r\n  return x + 1",
    "task_id": 601,
    "test_setup_code": "",
    "test_list": ["assert plus(1) == 2", "assert plus(2) == 3"],
    "challenge_test_list": [],
}


def ingest(source: Path, form: ProblemFormat, out: Path, heldout: float = 0.0) -> Ingested:
    return ingest_with(source, form, out, EXECUTION, heldout)


def _write(path: Path, *records: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_jsonl_is_taken_as_it_is(tmp_path: Path) -> None:
    out = tmp_path / "problems.jsonl"
    assert ingest(_write(tmp_path / "in.jsonl", SOUND), "jsonl", out).counts == {"problems": 1, "references/passed": 1}
    assert next(read_jsonl(out, Problem)).reference == SOUND["reference"]


def test_mbpp_tasks_of_mbpp_plus_are_left_out_and_counted(tmp_path: Path) -> None:
    source = _write(tmp_path / "mbpp.jsonl", MBPP | {"task_id": 2}, MBPP)
    counts = ingest(source, "mbpp", tmp_path / "out.jsonl").counts
    assert counts == {"dropped/in_mbpp_plus": 1, "problems": 1, "references/passed": 1}
    problem = next(read_jsonl(tmp_path / "out.jsonl", Problem))
    assert (problem.task_id, problem.entry_point, len(problem.tests)) == ("mbpp/601", "plus", 2)
    assert problem.prompt == (
        "Write a function to add one. Your code should pass these tests:\n\nassert plus(1) == 2\nassert plus(2) == 3"
    )


def test_mbpp_setup_may_use_what_the_program_defines(tmp_path: Path) -> None:
    task = MBPP | {
        "code": "class Node: pass\ndef plus(node): return 2",
        "test_setup_code": "root = Node()",
        "test_list": ["assert plus(root) == 2"],
    }
    assert ingest(_write(tmp_path / "in", task), "mbpp", tmp_path / "out.jsonl").counts["problems"] == 1


@pytest.mark.parametrize(
    ("form", "records", "message"),
    [
        ("jsonl", [SOUND, SOUND], r"in.jsonl:2: field 'task_id': 'own/1' was already used at .*in.jsonl:1;"),
        ("jsonl", [SOUND, {**SOUND, "task_id": "b", "prompt": ""}], r"in.jsonl:2: field 'prompt'"),
        ("jsonl", [{"task_id": "a", "prompt": "p", "tests": []}], r"in.jsonl:1: field 'entry_point': Field required"),
        ("jsonl", [SOUND | {"split": "held-out"}],
         r"in.jsonl:1: field 'split' of 'own/1': no split for own problems 'held-out'; did you mean 'heldout'\?"),
        ("jsonl", [SOUND | {"tests": []}], r"in.jsonl:1: problem 'own/1': field 'tests' is empty"),
        ("mbpp", [MBPP | {"test_list": []}], r"in.jsonl:1: field 'test_list'"),
        ("mbpp", [MBPP | {"test_list": ["assert 1 =="]}], r"in.jsonl:1: field 'test_list': not valid Python"),
        ("mbpp", [MBPP | {"test_list": ["assert len([]) == 0"]}], r"field 'test_list': calls no function by name"),
    ],
)  # fmt: skip
def test_unsound_input_is_refused_by_line_and_field(
    tmp_path: Path, form: ProblemFormat, records: list[dict[str, Any]], message: str
) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("kept")
    with pytest.raises(RecordError, match=message):
        ingest(_write(tmp_path / "in.jsonl", *records), form, out)
    assert out.read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


def test_broken_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(json.dumps(SOUND).encode())[:-9])
    for name, message in {"absent": "no such file", "cut.jsonl.gz": "not a whole gzip file"}.items():
        with pytest.raises(InputError, match=message):
            ingest(tmp_path / name, "jsonl", tmp_path / "out.jsonl")
    with pytest.raises(InputError, match=r"no problem to ingest \(1 in_mbpp_plus\)"):
        ingest(_write(tmp_path / "only.jsonl", MBPP | {"task_id": 2}), "mbpp", tmp_path / "out.jsonl")


def test_published_sets_lose_their_broken_problems_and_say_which(tmp_path: Path) -> None:
    wrong = MBPP | {"task_id": 609, "code": "def plus(x): return x"}
    source = _write(tmp_path / "in", MBPP, wrong, MBPP | {"task_id": 613, "code": "def plus(x): return 1 / 0"})
    out = tmp_path / "out.jsonl"
    found = ingest(source, "mbpp", out)
    assert found.counts == {
        "problems": 1,
        "references/passed": 1,
        "references/wrong_answer": 1,
        "references/exception": 1,
        "dropped/reference_fails": 2,
    }
    assert [problem.task_id for problem in read_jsonl(out, Problem)] == ["mbpp/601"]
    assert [(item.task_id, item.line, item.verdict) for item in found.broken] == [
        ("mbpp/609", 2, "wrong_answer"),
        ("mbpp/613", 3, "exception"),
    ]
    assert found.broken[0].feedback == "plus(1) returned 1, expected 2"


def test_ones_own_broken_problems_are_left_out_and_named(tmp_path: Path) -> None:
    broken = [SOUND | {"task_id": f"b/{n}", "reference": "def f(x): return x"} for n in range(12)]
    nothing_to_run = {key: value for key, value in SOUND.items() if key != "reference"} | {"task_id": "without"}
    source = _write(tmp_path / "in.jsonl", *broken, SOUND, nothing_to_run)
    found = ingest(source, "jsonl", tmp_path / "out.jsonl")
    assert found.counts["problems"] == 2
    assert found.counts["dropped/reference_fails"] == 12
    assert found.counts["references/none"] == 1
    assert [item.task_id for item in found.broken] == [f"b/{n}" for n in range(12)]


def test_a_share_is_held_out_by_hash(tmp_path: Path) -> None:
    many = [SOUND | {"task_id": f"own/{n}"} for n in range(100)]
    source = _write(tmp_path / "in.jsonl", SOUND | {"task_id": "stated", "split": "codeflow"}, *many)
    counts = ingest(source, "jsonl", tmp_path / "out.jsonl", heldout=0.25).counts
    taken = list(read_jsonl(tmp_path / "out.jsonl", Problem))
    assert [problem.task_id for problem in taken] == ["stated", *(f"own/{n}" for n in range(100))]
    assert 15 <= counts["heldout"] == sum(problem.split == "heldout" for problem in taken) <= 35
    ingest(_write(tmp_path / "last", *many[90:]), "jsonl", tmp_path / "again", heldout=0.25)
    assert list(read_jsonl(tmp_path / "again", Problem)) == taken[-10:]


def test_a_test_with_a_tolerance_takes_close_and_equal_values_of_other_types(tmp_path: Path) -> None:
    def verdict(returned: str, expected: str, atol: float | None) -> str:
        test = IoTest(call="f()", expected=expected, atol=atol)
        problem = Problem(
            task_id="p", prompt="p", entry_point="f", tests=(test,), reference=f"def f(): return {returned}"
        )
        source = tmp_path / "in.jsonl"
        source.write_text(problem.to_json() + "\n")
        try:
            ingest(source, "jsonl", tmp_path / "out.jsonl")
        except InputError as error:
            return str(error)
        return "passed"

    assert verdict("0.30000005", "0.3", 1e-6) == "passed"
    assert verdict("[1.0, 0.30000005]", "[1.0, 0.3]", 1e-6) == "passed"
    assert verdict("1", "True", 0.0) == "passed"
    assert "returned 0.31, expected 0.3" in verdict("0.31", "0.3", 1e-6)
    assert "wrong_answer" in verdict("0.30000005", "0.3", 0.0)
    assert "wrong_answer" in verdict("1", "True", None)


def test_every_reference_of_the_real_file_has_its_verdict(tmp_path: Path) -> None:
    source = os.environ.get("MBPP_SOURCE_PATH")
    if not source:
        pytest.skip("MBPP_SOURCE_PATH does not name MBPP's file (mbpp.jsonl or mbpp.jsonl.gz)")
    found = ingest(Path(source), "mbpp", tmp_path / "out.jsonl")
    assert found.counts["problems"] == 596
    assert found.counts["dropped/in_mbpp_plus"] == len(mbpp_plus_ids()) == 378
