"""What a row states is kept, what it does not state is refused, and no row ends a run."""

import io
import json
import tarfile
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.pairs.ingestion.preference_pairs import Judging, ingest_pairs
from iterpref_core.problems.ingestion import call_tests
from iterpref_core.problems.ingestion.columns import PARTS
from iterpref_core.problems.ingestion.ingest import ingest
from iterpref_core.problems.ingestion.intake import Wanted
from iterpref_core.problems.ingestion.presets import PRESETS
from iterpref_core.problems.ingestion.problem_rows import Selection
from iterpref_core.records import InputError, Problem, Trajectory
from iterpref_core.storage.jsonl import read_jsonl
from tests.settings import EXECUTION, PARAMS
from tests.texts import PAIR, written


def problems_of(folder, form, *rows, heldout=0.0, **words):
    out = folder / "out.jsonl"
    source = Wanted([written(folder / "in.jsonl", *rows)])
    found = ingest(source, form, out, EXECUTION, Selection(heldout=heldout), folder / "store.sqlite", **words)
    return found, list(read_jsonl(out, Problem))


def test_a_test_that_waits_for_the_program_is_not_waited_for(tmp_path, monkeypatch):
    for module in ("problems.ingestion.demands", "execution.running.executor"):
        monkeypatch.setattr(f"iterpref_core.{module}.IDLE_WALL_S", 0.2)
    tests = ["import threading\ne = threading.Event()\nf(e)\nassert e.wait()"]
    begun = time.monotonic()
    row = {"prompt": "Set an event.", "reference": "def f(e): e.set()", "entry_point": "f", "tests": tests}
    (problem,) = problems_of(tmp_path, "problems", row)[1]
    assert problem.tests
    assert time.monotonic() - begun < EXECUTION.wall_s / 2


SIDES = '"chosen": "x = 1", "rejected": "x = 2"}'
BAD = {
    "a lone surrogate": json.dumps(PAIR | {"rejected": 'x = "\ud83d"\n'}),
    "a lone surrogate in the prompt": json.dumps(PAIR | {"prompt": "\ud83d p"}),
    "nesting": '{"prompt": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "nesting of 1,000": '{"prompt": ' + "[" * 1000 + "]" * 1000 + f", {SIDES}",
    "a program's nesting": json.dumps(PAIR | {"chosen": "x = " + "(" * 1000 + ")" * 1000}),
    "an integer": '{"prompt": ' + "9" * 5000 + f", {SIDES}",
    "a number": "7",
    "no JSON": '{"prompt": ',
    "NaN": f'{{"prompt": NaN, {SIDES}',
}
BREAKS_AN_ARRAY = ("no JSON", "nesting", "nesting of 1,000")


@pytest.mark.parametrize("layout", ["[{}]", "{}"])
def test_no_row_ends_a_run_of_pairs(tmp_path, layout):
    bad = [text for name, text in BAD.items() if layout == "{}" or name not in BREAKS_AN_ARRAY]
    rows = [json.dumps(PAIR), *bad, json.dumps(PAIR)]
    source = tmp_path / "in.json"
    source.write_text(layout.format((",\n" if layout == "[{}]" else "\n").join(rows)))
    found = ingest_pairs(Wanted([source]), tmp_path / "out.jsonl")
    assert (found.counts["pairs"], sum(found.counts.values())) == (2, len(rows))


@pytest.mark.parametrize("name", ["rows.tar.gz", "rows.zip", "rows.xlsx", "rows.pkl", "rows.JSONL.BAK"])
def test_a_file_of_another_layout_is_refused_in_place_of_losing_rows(tmp_path, name):
    lines = written(tmp_path / "a.jsonl", PAIR, PAIR)
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        archive.add(lines, "a.jsonl")
    (tmp_path / name).write_bytes(data.getvalue() if name.endswith(".gz") else lines.read_bytes())
    with pytest.raises(InputError, match=r"files that end in \.\w+"):
        ingest_pairs(Wanted([tmp_path / name]), tmp_path / "out.jsonl")


APPS = {"question": "Do.", "solutions": ["def f(n):\n    return n\n"]}


def test_no_value_of_a_test_ends_a_run_of_problems(tmp_path):
    deep = 1
    for _ in range(300):
        deep = [deep]
    call = '{"fn_name": "f", "inputs": '
    tests = [
        call + "[[1]]" + ', "outputs": [1]}',
        '{"inputs": ["\\ud83d"], "outputs": ["1"]}',
        call + "[" * 5000 + "]" * 5000 + "}",
        {"inputs": ["a\0b\n"], "outputs": ["1\0"]},
        {"fn_name": "f", "inputs": [[deep]], "outputs": [deep]},
        call + '[[NaN]], "outputs": [NaN]}',
    ]
    rows = [APPS | {"input_output": value} for value in tests]
    rows.append(rows[0] | {"solutions": ["x = 1\0"]})
    found, _ = problems_of(tmp_path, "apps", *rows)
    taken = found.counts["problems"]
    assert taken >= 1
    assert taken + sum(count for name, count in found.counts.items() if name.startswith("dropped/")) == len(rows)


def test_the_nearest_of_all_wrong_programs_make_a_trajectory(tmp_path):
    right = "n = int(input())\nt = 0\nfor i in range(n):\n    t += i\nprint(t)\n"
    far = [f"# {number}\nv = 1\nw = 2\nprint(v, w)\n" for number in range(10)]
    near = [right.replace("range(n)", "range(n - 1)"), right.replace("range(n)", "range(1)").replace("t)", "t )")]
    row = {
        "name": "near",
        "description": "Sum up.",
        "public_tests": {"input": ["3\n"], "output": ["3\n"]},
        "solutions": {"language": [3], "solution": [right]},
        "incorrect_solutions": {"language": [3] * 12, "solution": [*far, *near]},
    }
    out = tmp_path / "trajectories.jsonl"
    for number in (1, 2):
        problems_of(tmp_path, "code_contests", row, trajectories=out, pairs_per_problem=number)
        (trajectory,) = read_jsonl(out, Trajectory)
        assert [attempt.code for attempt in trajectory.attempts] == [*near[:number], right]
    # A trajectory is for training: of a problem that is held out there is none.
    found, _ = problems_of(tmp_path, "code_contests", row, heldout=1.0, trajectories=out)
    assert (found.counts["heldout"], found.counts["trajectories_dropped/other_split"]) == (1, 1)
    assert not list(read_jsonl(out, Trajectory))


TEXT = st.text(max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(value=VALUES)
def test_any_value_is_written_as_the_source_of_the_same_value_or_refused(value):
    if "NaN" not in json.dumps(value):
        assert eval(call_tests.as_source(value), {}) == value


PROGRAMS = {"buggy": "print(2)\n", "fixed": "print(1)\n", "tests": [{"input": "", "output": "1"}]}
ROWS_OF_FORMS = {
    "problems": {"prompt": "Add.", "tests": ["assert add(1, 2) == 3"]},
    "trl": PAIR,
    "pairs": {"prompt": "Add."} | PROGRAMS,
}


@pytest.mark.parametrize("form", ROWS_OF_FORMS)
def test_a_column_that_is_named_must_be_there_unless_it_is_optional(tmp_path, form):
    def take(columns):
        if form == "problems":
            return problems_of(tmp_path, form, ROWS_OF_FORMS[form], columns=columns)[0]
        source = Wanted([written(tmp_path / "in.jsonl", ROWS_OF_FORMS[form])])
        judging = Judging(PARAMS.pairs, EXECUTION, tmp_path / "store") if form == "pairs" else None
        return ingest_pairs(source, tmp_path / "out.jsonl", judging, form=form, columns=columns)

    # What `module` names may be the module itself.
    for part in {*PARTS[PRESETS[form].parts]} - {"module"}:
        column = "first-second:coed" if part == "winner" else "coed"
        with pytest.raises(InputError, match="no column `coed`"):
            take(f"{part}={column}")
        if part not in {"prompt", "chosen", "rejected", *PROGRAMS}:
            assert take(f"{part}?={column}").counts
