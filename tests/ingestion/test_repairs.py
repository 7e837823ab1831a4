"""Buggy and fixed programs of people, under any names of columns, become pairs by one command."""

import doctest
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from iterpref_core.pairs.ingestion.ingest_repairs import ingest_repairs
from iterpref_core.pairs.ingestion.joins import read_join
from iterpref_core.pairs.ingestion.preference_pairs import ingest_pairs
from iterpref_core.pairs.ingestion.repair_rows import Repair
from iterpref_core.problems.ingestion.columns import PROGRAMS as PROGRAMS_OF_ROWS
from iterpref_core.problems.ingestion.columns import parse_columns
from iterpref_core.problems.ingestion.intake import Ingested, Source
from iterpref_core.problems.ingestion.problems import usable_tests
from iterpref_core.problems.ingestion.problems.published import LeftOutError
from iterpref_core.programs.source_code import language
from iterpref_core.records import PreferencePair, take_name
from iterpref_core.records.errors import ConfigError, InputError
from iterpref_core.records.input_files import LinePlace
from iterpref_core.storage.items import Item
from iterpref_core.storage.jsonl import read_pairs
from iterpref_core.storage.left_out import Dropped
from tests.ingestion.readers import read_rows, repair_reader
from tests.settings import EXECUTION, PARAMS, ROOT
from tests.texts import written

FIXED = "def f(a, b):\n    x = a\n    return x + b\n"
BUGGY = FIXED.replace("+", "-")
ROW: dict[str, Any] = {"prompt": "Add a and b.", "buggy": BUGGY, "fixed": FIXED, "tests": ["assert f(1, 2) == 3"]}
FIELD = ROOT.parent / "shared/field/data"


def test_the_examples_hold() -> None:
    assert doctest.testmod(language).failed == 0
    assert doctest.testmod(usable_tests).failed == 0


def taken(source: Path, dropped: Path | None = None, **words: Any) -> tuple[Ingested, list[PreferencePair]]:
    out = source.with_suffix(".pairs")
    store = source.with_suffix(".sqlite")
    license = words.pop("license", None)
    rows = Source([source], license=license)
    found = ingest_repairs(rows, out, PARAMS.pairs, EXECUTION, store, dropped=dropped, **words)
    assert not store.exists()
    return found, list(read_pairs(out))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"buggy": FIXED.replace("x = a", "x = a  # copy")}, "cosmetic"),
        ({"buggy": FIXED.replace("    x", "    # copy\n    x")}, "comments_only"),
        ({"buggy": FIXED.replace("    x", '    """Add."""\n    x')}, "cosmetic"),
        ({"buggy": FIXED.replace("a\n", "a\n\n\n")}, "cosmetic"),
        ({"buggy": FIXED.replace("\n", "\r\n")}, "cosmetic"),
        ({"buggy": "\ufeff" + FIXED}, "cosmetic"),
        ({"buggy": FIXED}, "same_program"),
        ({"buggy": "def f(a, b):\n" + "    a = b\n" * 30}, "long_error_region"),
        ({"buggy": " \n"}, "empty"),
        ({"fixed": ""}, "empty"),
        ({"buggy": "I cannot."}, "no_code"),
        ({"buggy": json.dumps([BUGGY])}, "no_code"),
        ({"buggy": json.dumps(BUGGY)}, "no_code"),
        ({"buggy": f"```python\n{BUGGY}```"}, "no_code"),
        ({"buggy": f"[PYTHON]\n{BUGGY}[/PYTHON]"}, "no_code"),
        ({"buggy": "print 2\n", "fixed": "print 1\n"}, "not_python"),
        ({"buggy": "a = raw_input()\nprint a\n"}, "not_python"),
        ({"language": "ruby"}, "not_python"),
        ({"language": "PyPy 2"}, "not_python"),
        ({"prompt": " - "}, "no_prompt"),
        ({"fixed": BUGGY.replace("-", "*")}, "fixed_fails"),
        ({"buggy": "def f(a, b):\n    return b + a\n"}, "buggy_passes"),
        ({"tests": ["assert f(1, 2) = 3"]}, "bad_record"),
        ({"tests": "def check(g):\n    assert g(1, 2) == 3\n"}, "bad_record"),
        ({"tests": ["f(1, 2) == 3"]}, "bad_record"),
        ({"tests": "not f(1, 2) - 3"}, "bad_record"),
        ({"tests": "def test_f():\n    assert f(1, 2) == 3\n"}, "bad_record"),
        ({"tests": {"inputs": ["1"], "outputs": []}}, "bad_record"),
        ({"tests": [{"input": "1", "output": ["1", "2"]}]}, "bad_record"),
        ({"tests": 3}, "bad_record"),
        ({"buggy": [1]}, "bad_record"),
        ({"buggy": [[BUGGY]]}, "bad_record"),
        ({"buggy": []}, "empty"),
        ({"buggy": [None]}, "empty"),
        ({"license": {"name": "MIT"}}, "bad_record"),
        ({"lang": "Java"}, "bad_record"),
        ({"split": "test"}, "other_split"),
        ({"buggy": BUGGY + "# \ud83d"}, "bad_record"),
        ({"prompt": {"a": 1}}, "bad_record"),
    ],
)  # fmt: skip
def test_what_is_no_error_of_a_program_is_left_out_by_name(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    source = written(tmp_path / "in.jsonl", ROW, ROW | change)
    found, pairs = taken(source)
    assert found.counts == {"pairs": 1, "tested": 1, f"dropped/{reason}": 1}
    assert [(pair.prompt, pair.rejected, pair.chosen) for pair in pairs] == [("Add a and b.", BUGGY, FIXED)]


STDIN = {"fixed": "print(int(input()) + 1)\n", "buggy": "print(int(input()))\n"}
UNITTEST = "import unittest\n\nclass T(unittest.TestCase):\n    def test(self):\n        self.assertEqual(f(1, 2), 3)\n"
CHECK = "def check(g):\n    assert g(1, 2) == 3\n"


@pytest.mark.parametrize(
    "change",
    [
        {"tests": "assert f(1, 2) == 3"},
        {"tests": '["assert f(1, 2) == 3"]'},
        {"tests": f"{CHECK}\ncheck(f)"},
        {"tests": CHECK, "entry_point": "f"},
        {"tests": "'''Sums.'''\nN = 3\n\ndef total():\n    return f(1, 2)\n\nassert total() == N\n"},
        {"tests": "from solution import f\n\ndef test_f():\n    assert f(1, 2) == 3\n"},
        {"tests": [UNITTEST]},
        {"tests": [{"kind": "io", "call": "f(1, 2)", "expected": "3"}]},
        {"tests": json.dumps({"fn_name": "f", "inputs": [[1, 2]], "outputs": [3]})},
        {"tests": {"fn_name": "f", "inputs": [[1, 2]], "outputs": [[3]]}},
        STDIN | {"tests": [{"input": "1\n", "output": "2\n"}, {"input": "5\n", "output": ["6\n"]}]},
        STDIN | {"tests": "[{'input': '1\\n', 'output': ['2\\n']}]"},
        STDIN | {"tests": {"input": ["1\n"], "output": ["2\n"]}},
        STDIN | {"tests": {"inputs": ["1\n"], "outputs": ["2\n"]}},
    ],
)  # fmt: skip
def test_tests_of_every_shape_judge_both_programs(tmp_path: Path, change: dict[str, Any]) -> None:
    _, (pair,) = taken(written(tmp_path / "in.jsonl", ROW | change))
    assert pair.tested is True
    swapped = ROW | change
    swapped |= {"buggy": swapped["fixed"], "fixed": swapped["buggy"]}
    with pytest.raises(InputError, match="1 fixed_fails"):
        taken(written(tmp_path / "swapped.jsonl", swapped))


def test_a_pair_without_tests_says_so_and_one_without_a_statement_asks_for_the_correction(tmp_path: Path) -> None:
    found, (pair,) = taken(written(tmp_path / "in.jsonl", {"buggy": BUGGY, "fixed": FIXED, "license": "GPL-3.0-only"}))
    assert found.counts == {"pairs": 1, "untested": 1, "language_unstated": 1, "repair_prompts": 1}
    assert (pair.tested, pair.license) == (False, "GPL-3.0-only")
    assert pair.prompt == f"Correct this Python program:\n\n```python\n{BUGGY.rstrip()}\n```"


NEAR = "def f(a, b):\n    x = a\n    return x * b\n"
FAR = "def f(p, q):\n    y = p\n    return y * q * 0\n"
FARTHER = "def f(p, q):\n    y = p\n    z = q\n    return y * z\n"


@pytest.mark.parametrize("in_a_list", [True, False])
def test_several_wrong_programs_of_a_problem_give_several_pairs_the_nearest_first(
    tmp_path: Path, in_a_list: bool
) -> None:
    wrong = [FARTHER, FAR, *(FARTHER.replace("p", f"p{n}") for n in range(12)), NEAR]
    rows = [ROW | {"buggy": wrong}] if in_a_list else [ROW | {"buggy": code, "problem_id": "p"} for code in wrong]
    source = written(tmp_path / "in.jsonl", *rows)
    _, pairs = taken(source)
    assert len(pairs) == len(wrong)
    assert [pair.rejected for pair in pairs[:2]] == [NEAR, FAR]
    assert len({pair.problem for pair in pairs}) == 1
    found, pairs = taken(source, pairs_per_problem=2)
    assert [pair.rejected for pair in pairs] == [NEAR, FAR]
    assert found.counts["dropped/further_pair"] == len(wrong) - 2


def test_statements_are_joined_from_a_second_file(tmp_path: Path) -> None:
    problems = written(tmp_path / "problems.jsonl", {"id": 7, "statement": "Add a and b."}, {"id": 8, "statement": "-"})
    rows = [{"buggy": BUGGY, "fixed": FIXED, "problem": number} for number in (7, 8, 9)]
    source = written(tmp_path / "in.jsonl", *rows)
    words = {"columns": "prompt=statement", "join": (problems, "on=problem:id")}
    found, (pair,) = taken(source, **words)
    assert pair.prompt == "Add a and b."
    assert found.counts == {
        "pairs": 1,
        "untested": 1,
        "language_unstated": 1,
        "dropped/no_prompt": 1,
        "dropped/not_joined": 1,
    }
    with pytest.raises(ConfigError, match="write it as --join"):
        taken(source, join=(problems, "problem"))
    written(problems, {"id": 7, "statement": "Add."}, {"id": 7, "statement": "Subtract."})
    with pytest.raises(InputError, match="a second row with id '7', and they differ"):
        taken(source, **words)


KEYS = st.sampled_from([1, 2, 1.0, "1", "2", "None", "nan", "", None, float("nan"), True, [1], {"a": 1}, 1.5])


def key_of(value: Any) -> str | None:
    """The name that a value is, if it is one: 1.0 is pandas's 1 in a column with nulls."""
    if isinstance(value, bool | list | dict) or value is None or value in ("", 1.5) or value != value:
        return None
    return {1.0: "1"}.get(value, str(value))


@given(ours=KEYS, theirs=st.lists(KEYS, min_size=1, max_size=4), layout=st.sampled_from(["jsonl", "parquet"]))
def test_rows_are_joined_by_a_name_that_both_have_and_by_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, ours: Any, theirs: list[Any], layout: str
) -> None:
    path = tmp_path_factory.mktemp("join") / f"second.{layout}"
    if layout == "parquet":
        # A column of one type, as there: with a null, whole numbers are decimal numbers in pandas.
        theirs = [value for value in theirs if value is None or isinstance(value, float)] or [1.0]
        ours = ours if isinstance(ours, float) else None
        parquet.write_table(pa.table({"id": pa.array(theirs, pa.float64())}), path)
    else:
        written(path, *({"id": value} for value in theirs))
    left_out: list[Dropped] = []
    join = read_join(path, "all=problem:id", left_out.append)
    assert len(left_out) == sum(key_of(value) is None for value in theirs)
    assert {row.kind for row in left_out} <= {"joined_rows_left_out"}
    columns = parse_columns(None, PROGRAMS_OF_ROWS)
    partners = [value for value in theirs if key_of(value) == key_of(ours) is not None]
    if partners:
        assert join.extend({"problem": ours}, columns)["problem"] == ours
    else:
        with pytest.raises((LeftOutError, ValueError)):
            join.extend({"problem": ours}, columns)


def test_rows_of_a_second_file_that_cannot_be_joined_are_counted_and_named(tmp_path: Path) -> None:
    problems = tmp_path / "problems.csv"
    problems.write_text("id,statement\n,Never.\n7,Add.\n,Not.\n")
    source = written(tmp_path / "in.jsonl", *({"buggy": BUGGY, "fixed": FIXED, "id": key} for key in (7, None, "")))
    found, (pair,) = taken(source, columns="prompt=statement", join=(problems, "on=id"))
    assert (pair.prompt, pair.problem) == ("Add.", "pair-1")
    assert found.counts == {
        "pairs": 1,
        "untested": 1,
        "language_unstated": 1,
        "dropped/not_joined": 2,
        "joined_rows_left_out/null": 2,
    }
    assert next((row.where, row.explanation) for row in found.dropped) == (f"{problems}:2", "its `id` is null")
    with pytest.raises(InputError, match=r"problems.csv: no row has the column 'no', which --join names"):
        taken(source, join=(problems, "on=id:no"))


def test_a_null_is_filled_from_the_second_file_and_both_licenses_count(tmp_path: Path) -> None:
    problems = written(
        tmp_path / "problems.jsonl",
        {"problem_id": 1, "prompt": "Add a and b.", "license": "GPL-3.0-only"},
        {"problem_id": 2, "prompt": "Add.", "license": "MIT OR ISC"},
    )
    codes = {"buggy": BUGGY, "fixed": FIXED}
    rows = [
        codes | {"problem_id": 1, "prompt": None, "license": None},
        codes | {"problem_id": 2, "prompt": "Mine.", "license": "BSD-3-Clause"},
    ]
    source = written(tmp_path / "in.jsonl", *rows)
    _, pairs = taken(source, join=(problems, "on=problem_id"), license="Zlib")
    assert [(pair.prompt, pair.license) for pair in pairs] == [
        ("Add a and b.", "GPL-3.0-only"),
        ("Mine.", "BSD-3-Clause AND (MIT OR ISC)"),
    ]


def test_a_program_of_which_a_part_is_null_is_left_out(tmp_path: Path) -> None:
    head, body = FIXED.split("\n", 1)
    rows = [ROW | {"head": f"{head}\n", "body": body}, ROW | {"head": None, "body": FIXED}]
    found, (pair,) = taken(written(tmp_path / "in.jsonl", *rows), columns="fixed=head+body")
    assert pair.chosen == FIXED
    assert found.counts == {"pairs": 1, "tested": 1, "dropped/bad_record": 1}


def test_all_rows_of_a_second_file_are_joined_as_lists(tmp_path: Path) -> None:
    codes = {"fixed": "print(int(input()) + 1)\n", "buggy": "print(int(input()) + 2)\n"}
    rows = [codes | {"problem_id": name} for name in ("p1", "p2", "p3", None)]
    source = written(tmp_path / "in.jsonl", *rows)
    tests = [{"problem_id": "p1", "input": f"{n}\n", "output": f"{n + 1}\n"} for n in range(3)]
    tests.append({"problem_id": "p2", "input": "1\n", "output": "9\n"})
    tests.append({"problem_id": "None", "input": "1\n", "output": "2\n"})
    words = {"columns": "tests=input+output", "join": (written(tmp_path / "tests.jsonl", *tests), "all=problem_id")}
    found, (pair,) = taken(source, **words)
    assert (pair.problem_id, pair.tested) == ("p1", True)
    assert found.counts == {
        "pairs": 1, "tested": 1, "repair_prompts": 1, "dropped/fixed_fails": 1, "dropped/not_joined": 2
    }  # fmt: skip
    with pytest.raises(InputError, match=r"they differ; join by another column, or take all rows with all=problem_id"):
        taken(source, **words | {"join": (tmp_path / "tests.jsonl", "on=problem_id")})
    written(tmp_path / "tests.jsonl", tests[0], {"problem_id": "p1", "input": "1\n"})
    with pytest.raises(InputError, match=r"tests.jsonl:2: its columns are input, and those before input, output"):
        taken(source, **words)


@pytest.fixture
def field() -> Path:
    if not FIELD.is_dir():
        pytest.skip("there are no records of public sets beside this checkout")
    return FIELD


SCHEMAS = {
    "human_errors": ("prompt=statement,buggy=buggy_code,fixed=fixed_code,task_id=id", ["real"]),
    "runbugrun": ("buggy=buggy_code,fixed=fixed_code", ["pair-1"]),
    "debugbench": (
        "prompt=description+examples+constraints,buggy=buggy_code,fixed=solution,task_id=slug",
        ["pair-total", "count-up"],
    ),
    "xcodeeval": (
        (
            "prompt=prob_desc_description,buggy=bug_source_code,fixed=fix_source_code,language=lang,task_id=apr_id,"
            "tests=prob_desc_sample_inputs+prob_desc_sample_outputs"
        ),
        ["x1", "x3"],
    ),
    "commitpackft": ("prompt=message,buggy=old_contents,fixed=new_contents,language=lang", ["pair-1"]),
    "humanevalpack": (
        "buggy=declaration+buggy_solution,fixed=declaration+canonical_solution,tests=test",
        ["Python/0", "Python/1", "Python/2"],
    ),
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_published_schema_goes_in(field: Path, tmp_path: Path, name: str) -> None:
    columns, names = SCHEMAS[name]
    source = tmp_path / "in.jsonl"
    source.write_bytes((field / f"{name}.jsonl").read_bytes())
    _, pairs = taken(source, columns=columns)
    assert [pair.task_id for pair in pairs] == names


TEXT = st.text(max_size=20) | st.text(alphabet="ab=():\n\r\t'\"#\x0c\u2028 1+", max_size=40)
PROGRAMS = st.sampled_from([FIXED, BUGGY, "x = 1\r\n", "x = '\u2028'\x0c\n", "\ufeffx = 2", "def f(:\n"]) | TEXT


@given(prompt=TEXT, buggy=PROGRAMS, fixed=PROGRAMS, license=TEXT)
def test_any_text_in_any_column_comes_back_unchanged_or_is_refused(
    prompt: str, buggy: str, fixed: str, license: str
) -> None:
    row = {"prompt": prompt, "buggy": buggy, "fixed": fixed, "license": license}
    item = Item(LinePlace(Path("in.jsonl"), 1), 1, json.dumps(row))
    (found,) = repair_reader().read(item)
    if isinstance(found, Repair):
        pair = found.pair
        assert (pair.prompt, pair.rejected, pair.chosen) == (prompt, buggy, fixed)
        assert pair.license == (license.strip() or None)
    else:
        assert found.reason


NAMES_IN_USE = ["a", "a#2", "a#2#2", "a#3", "pair-2", "pair-2#2"]


@given(names=st.lists(st.sampled_from(NAMES_IN_USE), max_size=20))
def test_a_name_is_taken_once(names: list[str]) -> None:
    known: Counter[str] = Counter()
    assert len({take_name(name, known) for name in names}) == len(names)


@given(names=st.lists(st.sampled_from([None, *NAMES_IN_USE]), min_size=1, max_size=8))
def test_no_two_pairs_have_one_name_and_rows_of_one_name_are_of_one_problem(names: list[str | None]) -> None:
    reader = repair_reader()
    pairs = []
    for number, name in enumerate(names, 1):
        item = Item(LinePlace(Path("in.jsonl"), number), number, json.dumps(ROW | {"task_id": name, "tests": None}))
        for found in reader.read(item):
            assert isinstance(found, Repair)
            pairs.append(found.pair)
    assert len({pair.task_id for pair in pairs}) == len(names)
    assert [pair.problem for pair in pairs] == [name or f"pair-{number}" for number, name in enumerate(names, 1)]


def test_a_name_that_was_used_never_becomes_that_of_another_row_of_a_preference_set(tmp_path: Path) -> None:
    rows = [{"prompt": "p", "chosen": "x = 1\n", "rejected": f"x = {number}\n"} for number in range(2, 7)]
    named = [rows[0] | {"task_id": "pair-3"}, rows[1] | {"task_id": "a"}, rows[2], rows[3] | {"task_id": "a"},
             rows[4] | {"task_id": "pair-4"}]  # fmt: skip
    ingest_pairs([written(tmp_path / "in.jsonl", *named)], tmp_path / "out.jsonl")
    names = [pair.task_id for pair in read_pairs(tmp_path / "out.jsonl")]
    assert names == ["pair-3", "a", "pair-3#2", "pair-4", "pair-5"]


@pytest.mark.parametrize("part", ["task_id", "problem_id", "language", "entry_point"])
@pytest.mark.parametrize("value", [1.5, True, ["a"], {"a": 1}])
@pytest.mark.parametrize("form", ["pairs", "trl"])
def test_a_name_that_is_no_text_is_refused_and_not_passed_over(
    tmp_path: Path, part: str, value: Any, form: str
) -> None:
    if (part, value) == ("language", ["a"]):
        value = [["a"]]
    rows = [ROW | {"chosen": FIXED, "rejected": BUGGY} | own for own in ({part: value}, {part: None}, {})]
    source = written(tmp_path / "in.jsonl", *rows)
    if form == "pairs":
        found = read_rows("pairs", source, "tests=")
        refused = [each.explanation for each in found if isinstance(each, Dropped)]
    else:
        refused = [row.explanation for row in ingest_pairs([source], tmp_path / "out.jsonl").dropped]
    if form == "trl" and part == "entry_point":
        assert refused == []
        return
    (explanation,) = refused
    assert explanation.startswith(f"column `{part}`: ")
    assert explanation.endswith(f"{type(value).__name__}; to read no such column, add --columns {part}=")


def test_rows_with_empty_ids_are_of_different_problems(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("problem_id,task_id,buggy,fixed\n,,x = 1,x = 2\n,,x = 3,x = 4\n")
    found, pairs = taken(path, pairs_per_problem=1)
    assert found.counts == {"pairs": 2, "untested": 2, "language_unstated": 2, "repair_prompts": 2}
    assert [pair.problem for pair in pairs] == ["pair-1", "pair-2"]


@pytest.mark.parametrize("part", ["task_id", "problem_id", "language", "license", "entry_point"])
def test_a_part_of_one_column_takes_no_second(part: str) -> None:
    with pytest.raises(ConfigError, match=f"{part} is one column, not 2"):
        parse_columns(f"{part}=contest+index", PROGRAMS_OF_ROWS)
