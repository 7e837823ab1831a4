"""Each record says of which row it is made."""

import hashlib
import json

from iterpref_core.pairs.ingestion.preference_pairs import ingest_pairs
from iterpref_core.pairs.ingestion.submissions import ingest_submissions
from iterpref_core.pairs.selection.pair_selection import make_pairs, read_paired_problems
from iterpref_core.problems.ingestion.ingest import ingest
from iterpref_core.problems.ingestion.intake import Wanted
from iterpref_core.problems.ingestion.problem_rows import Selection
from iterpref_core.records import PreferencePair, Problem, Trajectory
from iterpref_core.storage.jsonl import read_jsonl, read_pairs
from tests.settings import EXECUTION, PARAMS
from tests.texts import PAIR, written

PROBLEM = {
    "prompt": "Add one.",
    "reference": "def f(n):\n    return n + 1\n",
    "wrong": ["def f(n):\n    return n\n"],
    "tests": ["assert f(1) == 2"],
}


def origins(record):
    """The provenance of a record, without what it does not state."""
    return [row.model_dump(exclude_none=True) for row in record.provenance]


def test_a_pair_names_the_file_of_a_folder_its_line_and_its_digest(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    first = written(folder / "a.jsonl", {"prompt": "p"}, PAIR)
    second = written(folder / "b.jsonl", PAIR | {"license": "ISC"})
    third = written(tmp_path / "c.jsonl", PAIR)
    ingest_pairs(Wanted([folder, third], license="MIT"), tmp_path / "pairs.jsonl")
    ingest_pairs(Wanted([tmp_path / "pairs.jsonl"]), tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "pairs.jsonl").read_bytes()
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second, third)]
    assert [origins(pair) for pair in read_pairs(tmp_path / "pairs.jsonl")] == [
        [{"file": "set/a.jsonl", "row": 2, "digest": digests[0], "license": "MIT"}],
        [{"file": "set/b.jsonl", "row": 1, "digest": digests[1], "license": "ISC"}],
        [{"file": f"{tmp_path.name}/c.jsonl", "row": 1, "digest": digests[2], "license": "MIT"}],
    ]


def test_a_file_of_the_hubs_cache_is_named_by_set_and_revision(tmp_path):
    folder = tmp_path / "datasets--org--set--1/snapshots/0123abcd/data"
    folder.mkdir(parents=True)
    source = written(folder / "train.jsonl", PAIR)
    ingest_pairs(Wanted([source]), tmp_path / "pairs.jsonl")
    (pair,) = read_pairs(tmp_path / "pairs.jsonl")
    assert origins(pair) == [{"dataset": "org/set--1", "file": "data/train.jsonl", "row": 1, "revision": "0123abcd"}]


def test_a_problem_its_trajectory_and_their_pair_name_the_row(tmp_path):
    out, trajectories = tmp_path / "problems.jsonl", tmp_path / "t.jsonl"
    source = Wanted([written(tmp_path / "in.jsonl", {"prompt": "p"}, PROBLEM)], license="MIT")
    ingest(source, "problems", out, EXECUTION, Selection(), tmp_path / "s", trajectories=trajectories)
    (problem,), (trajectory,) = read_jsonl(out, Problem), read_jsonl(trajectories, Trajectory)
    (pair,) = make_pairs(trajectory, read_paired_problems(out)[problem.task_id], PARAMS.pairs)
    assert [(row.file, row.row, row.license) for row in problem.provenance] == [("in.jsonl", 2, "MIT")]
    assert problem.provenance == trajectory.provenance == pair.provenance
    # Read once more, a record keeps the row that it was first made of.
    ingest(Wanted([out]), "problems", tmp_path / "again", EXECUTION, Selection(), tmp_path / "s")
    assert next(read_jsonl(tmp_path / "again", Problem)).provenance == problem.provenance


def test_a_pair_of_submissions_names_the_rows_of_both_programs(tmp_path):
    base = {"task_id": "p", "prompt": "Do."}
    rows = [base | {"program": f"x = {n}\n", "passed": passed} for n, passed in enumerate(["WJ", "WA", "AC"])]
    out, trajectories = tmp_path / "problems.jsonl", tmp_path / "t.jsonl"
    ingest_submissions(Wanted([written(tmp_path / "in.jsonl", *rows)]), out, trajectories, None)
    (trajectory,) = read_jsonl(trajectories, Trajectory)
    assert [origins(attempt)[0]["row"] for attempt in trajectory.attempts] == [2, 3]
    (pair,) = make_pairs(trajectory, read_paired_problems(out)["p"], PARAMS.pairs)
    assert [row.row for row in pair.provenance] == [3, 2]


def test_a_column_of_this_name_that_means_something_else_is_no_fault_of_a_pair():
    line = json.dumps(PAIR | {"task_id": "a", "provenance": "github"})
    assert PreferencePair.model_validate_json(line).provenance is None
