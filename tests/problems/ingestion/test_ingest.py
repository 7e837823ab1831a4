"""Foreign problems: taken only when sound, and never a benchmark's."""

import gzip
import json
import os

import pytest

from iterpref_core.problems.ingestion.ingest import ingest as ingest_with
from iterpref_core.problems.ingestion.intake import Wanted
from iterpref_core.problems.ingestion.presets import mbpp_plus_ids
from iterpref_core.problems.ingestion.problem_rows import Selection
from iterpref_core.records import InputError, Problem
from iterpref_core.storage.jsonl import read_jsonl
from tests.settings import EXECUTION
from tests.texts import written

SOUND = {
    "task_id": "own/1",
    "prompt": "Add one.",
    "entry_point": "f",
    "tests": [{"kind": "io", "call": "f(1)", "expected": "2"}],
    "reference": "def f(x):\n    return x + 1\n",
}
MBPP = {
    "text": "Write a function to add one.",
    "code": "def plus(x):\r\n  return x + 1",
    "task_id": 601,
    "test_setup_code": "",
    "test_list": ["assert plus(1) == 2", "assert plus(2) == 3"],
    "challenge_test_list": [],
}


def ingest(source, form, out, dropped=None, **selection):
    store = out.with_suffix(".sqlite")
    return ingest_with(Wanted([source]), form, out, EXECUTION, Selection(**selection), store, dropped=dropped)


@pytest.mark.parametrize("out", ["set/rows.jsonl", "set/new/out.jsonl"])
def test_a_file_that_is_a_source_or_lies_in_one_is_not_written(out, tmp_path):
    (tmp_path / "set").mkdir()
    source = written(tmp_path / "set/rows.jsonl", SOUND)
    before = source.read_text()
    with pytest.raises(InputError, match="is a source, or lies in one; write it elsewhere"):
        ingest(source if out == "set/rows.jsonl" else source.parent, "problems", tmp_path / out)
    assert source.read_text() == before


def test_broken_files_are_named(tmp_path):
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(json.dumps(SOUND).encode())[:-9])
    for name, message in {"absent": "no such file", "cut.jsonl.gz": "not a whole packed file"}.items():
        with pytest.raises(InputError, match=message):
            ingest(tmp_path / name, "problems", tmp_path / "out.jsonl")
    broken = MBPP | {"task_id": 1, "code": "boom"}
    rows = written(tmp_path / "only.jsonl", MBPP | {"task_id": 2}, broken, broken)
    with pytest.raises(InputError, match=r"\(1 in_mbpp_plus, 2 not_python; .*only.jsonl:2: the languages"):
        ingest(rows, "mbpp", tmp_path / "out.jsonl")


def test_a_share_is_held_out_by_hash(tmp_path):
    many = [SOUND | {"task_id": f"own/{n}", "prompt": f"Add one, and say {n // 2}."} for n in range(100)]
    source = written(tmp_path / "in.jsonl", SOUND | {"task_id": "stated", "split": "codeflow"}, *many)
    counts = ingest(source, "problems", tmp_path / "out.jsonl", heldout=0.25).counts
    taken = list(read_jsonl(tmp_path / "out.jsonl", Problem))
    assert [problem.task_id for problem in taken] == ["stated", *(f"own/{n}" for n in range(100))]
    assert 15 <= counts["heldout"] == sum(problem.split == "heldout" for problem in taken) <= 35
    # Two rows of one statement are one problem, whatever their names.
    sides = [problem.split for problem in taken[1:]]
    assert sides[::2] == sides[1::2]


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 10])
def test_every_reference_of_the_real_file_has_its_verdict(tmp_path, step):
    name = os.environ.get("MBPP_SOURCE_PATH")
    if not name:
        pytest.skip("MBPP_SOURCE_PATH does not name MBPP's file (mbpp.jsonl or mbpp.jsonl.gz)")
    read = gzip.open if name.endswith(".gz") else open
    with read(name, "rt", encoding="utf-8") as file:
        lines = file.readlines()
    of_benchmark = mbpp_plus_ids()
    assert (len(lines), len(of_benchmark)) == (974, 378)
    taken = lines[::step]
    dropped = sum(json.loads(line)["task_id"] in of_benchmark for line in taken)
    source = tmp_path / "mbpp.jsonl"
    source.write_text("".join(taken))
    # The tests of one task have somebody's address.
    private = sum("@gmail.com" in line for line in taken if json.loads(line)["task_id"] not in of_benchmark)
    found = ingest(source, "mbpp", tmp_path / "out.jsonl")
    assert found.counts.get("dropped/email", 0) == private <= 1
    assert found.counts["problems"] == len(taken) - dropped - private > 0
    assert found.counts["dropped/in_mbpp_plus"] == dropped > 0
