"""What a row states is kept, what it does not state is refused, and no row ends a run."""

import io
import json
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.pairs.ingestion.preference_pairs import Judging, ingest_pairs
from iterpref_core.problems.ingestion import call_tests
from iterpref_core.problems.ingestion.columns import PARTS, LeftOutError
from iterpref_core.problems.ingestion.ingest import ingest
from iterpref_core.problems.ingestion.intake import Ingested, Source
from iterpref_core.problems.ingestion.presets import PRESETS
from iterpref_core.problems.ingestion.problem_rows import Selection
from iterpref_core.problems.ingestion.programs import find_programs
from iterpref_core.records import PreferencePair, Problem, Trajectory
from iterpref_core.records.errors import InputError, RecordError
from iterpref_core.storage.jsonl import read_jsonl, read_pairs
from tests.settings import EXECUTION, PARAMS
from tests.texts import written

PAIR = {"prompt": "Add one.", "chosen": "x = 1\n", "rejected": "x = 2\n"}
PYTHON_2 = "a = int(raw_input())\nb = a + 1\n\nprint b\n"


def source_of(path: Path, words: dict[str, Any]) -> Source:
    """Return the rows of a file, with the words that are about them, which are taken out."""
    return Source([path], **{name: words.pop(name) for name in ("license", "split", "config") if name in words})


def pairs_of(*rows: Any, **words: Any) -> tuple[dict[str, float], list[PreferencePair]]:
    """Return the counts and pairs of rows, which may be lines of JSON."""
    folder: Path = words.pop("folder")
    source = folder / "in.jsonl"
    source.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    found = ingest_pairs(source_of(source, words), folder / "out.jsonl", **words)
    return found.counts, list(read_pairs(folder / "out.jsonl"))


def problems_of(folder: Path, form: str, *rows: dict[str, Any], **words: Any) -> tuple[Ingested, dict[str, Problem]]:
    source = written(folder / "in.jsonl", *rows)
    out = folder / "out.jsonl"
    rows = source_of(source, words)
    found = ingest(rows, form, out, EXECUTION, Selection(), folder / "store.sqlite", **words)
    return found, {problem.task_id: problem for problem in read_jsonl(out, Problem)}


@pytest.mark.parametrize(
    "code",
    [
        PYTHON_2,
        "def f(n):\n    return n + 1\n\nfor t in xrange(3):\n    print f(t)\n",
        "def f(a):\n    t = 0\n    for x in a:\n        t +=",
        "def f(a):\n    return `a`\n",
        "def f(a):\n\tx = a\n        return x + 1\n",
        "name: a\nsteps:\n  - run: b\n",
        "name: a\nversion: 1\n",
        "local x = 1\nprint(x)\n",
        '["def f(a):\\n    return a\\n"]',
    ],
)  # fmt: skip
@pytest.mark.parametrize("in_a_message", [True, False])
def test_a_program_is_taken_whole_or_left_out(tmp_path: Path, code: str, in_a_message: bool) -> None:
    chosen: Any = [{"role": "assistant", "content": code}] if in_a_message else code
    rejected: Any = [{"role": "assistant", "content": "x = 2\n"}] if in_a_message else "x = 2\n"
    counts, pairs = pairs_of(PAIR | {"chosen": chosen, "rejected": rejected}, PAIR, folder=tmp_path)
    assert [pair.chosen for pair in pairs] == [PAIR["chosen"]]
    assert sum(count for name, count in counts.items() if name.startswith("dropped/")) == 1
    if not code.startswith(("[", "name", "local")):
        _, (pair,) = pairs_of(PAIR | {"rejected": code}, folder=tmp_path)
        assert pair.rejected == code


def test_rows_of_other_languages_are_left_out_by_the_column_that_states_them(tmp_path: Path) -> None:
    rows = [PAIR | {"language": name} for name in ("Python 3", "python", None, "Kotlin", "YAML", "Python 2")]
    counts, pairs = pairs_of(*rows, folder=tmp_path)
    assert (len(pairs), counts["dropped/not_python"]) == (3, 3)
    _, pairs = pairs_of(*rows, folder=tmp_path, columns="language=")
    assert len(pairs) == 6
    counts, pairs = pairs_of(*({**row, "lang": "R"} for row in rows[:1]), PAIR | {"lang": "py"},
                             folder=tmp_path, columns="language=lang")  # fmt: skip
    assert (len(pairs), counts["dropped/not_python"]) == (1, 1)


OTHER_LANGUAGES = {
    "R": "library(dplyr)\nx <- c(1, 2)\nprint(mean(x))\n",
    "R, one line": "x <- c(1, 2)\n",
    "SQL": "SELECT (1)\n",
    "Ruby": "puts(gets())\n",
    "Lua": "x = io.read()\nprint(x)\n",
    "Julia": "x = [1, 2]\nprintln(x)\n",
    "JavaScript": "alert(prompt());\n",
    "MATLAB": "x = 3;\ndisp(x)\n",
    "Haskell": "import Data.List\nmain = print(sort([2, 1]))\n",
    "C": 'printf("a");\n',
    "Perl": "x = 1;\ndie(x);\n",
    "TOML": "[package]\nname = 'a'\n",
    "YAML": "name: a\nrun: b = c\n",
    "Starlark": "cc_library(name = 'a')\n",
    "indented YAML": "  name: a\n  run: b\n",
    "indented words": "  Done\n",
}
SCRIPT = "import sys\nn = int(input())\nprint(n + 1, file=sys.stdout)\n"
"""A script, whose language can only be told by its names."""
FRAGMENT = "print(df.head())\n"


@pytest.mark.parametrize("name", OTHER_LANGUAGES)
@pytest.mark.parametrize("form", ["trl", "pairs"])
def test_other_languages_are_not_taken_for_python_where_no_column_states_them(
    tmp_path: Path, form: str, name: str
) -> None:
    def row(right: str, **more: str) -> dict[str, Any]:
        wrong = right + "print(1)\n" if not right[:1].isspace() else right.replace("a", "c").replace("D", "d")
        sides = {"chosen": right, "rejected": wrong} if form == "trl" else {"fixed": right, "buggy": wrong}
        return {"prompt": "Do.", **sides, **more}

    rows = [row(SCRIPT), row(OTHER_LANGUAGES[name]), row(FRAGMENT), row(FRAGMENT, language="Python")]
    source = written(tmp_path / "in.jsonl", *rows)
    out = tmp_path / "out.jsonl"
    if form == "trl":
        found = ingest_pairs(Source([source]), out)
    else:
        found = ingest_pairs(
            Source([source]), out, Judging(PARAMS.pairs, EXECUTION, tmp_path / "store.sqlite"), form="pairs"
        )
    assert [pair.chosen for pair in read_pairs(out)] == [SCRIPT, FRAGMENT]
    # The fragment may be Python: the message says how to say so.
    (fragment,) = (row for row in found.dropped if row.where.endswith(":3"))
    assert fragment.explanation.startswith("nothing in the program defines 'df', and nothing says that it is Python;")
    assert found.counts["pairs"] == 2


def test_columns_of_lists_are_joined_or_refused_by_name(tmp_path: Path) -> None:
    row = PAIR | {"examples": ["1 -> 2", "2 -> 3"], "notes": "n > 0"}
    _, (pair,) = pairs_of(row, folder=tmp_path, columns="prompt=prompt+examples+notes")
    assert pair.prompt == "Add one.\n1 -> 2\n2 -> 3\nn > 0"
    with pytest.raises(InputError, match="a text or messages are expected, not a list of texts; give a row for each"):
        pairs_of(PAIR | {"chosen": ["x = 1\n", "x = 3\n"]}, folder=tmp_path)
    chat = [{"role": "user", "content": "Add."}]
    with pytest.raises(InputError, match=r"prompt: texts and other values cannot be joined"):
        pairs_of(PAIR | {"chat": chat}, folder=tmp_path, columns="prompt=prompt+chat")
    # A conversation whose roles nobody states.
    with pytest.raises(InputError, match="a text or messages are expected, not a list of texts; give a row for each"):
        pairs_of(PAIR | {"prompt": [["Hi.", "Hello."], ["Add.", "Sure."]]}, folder=tmp_path)
    with pytest.raises(InputError, match="a text or messages are expected"):
        pairs_of({name: [text, text] for name, text in PAIR.items()}, folder=tmp_path)


def part(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text}]


@pytest.mark.parametrize(
    "shape",
    [
        lambda role, text: json.dumps([{"role": role, "content": text}]),
        lambda role, text: str([{"content": text, "role": role}]),
        lambda role, text: [{"role": role.upper(), "content": text}],
        lambda role, text: [{"role": role, "content": part(text)}],
        lambda role, text: [{"role": role, "content": part(text[:3]) + part(text[3:])}],
        lambda role, text: [{"role": "model" if role == "assistant" else role, "content": text}],
        lambda role, text: [{"role": None, "content": None, "from": role, "value": text}],
        lambda role, text: {"from": "gpt" if role == "assistant" else "human", "value": text},
    ],
)
def test_messages_are_read_in_every_shape(tmp_path: Path, shape: Callable[[str, str], Any]) -> None:
    row = {name: shape("user" if name == "prompt" else "assistant", text) for name, text in PAIR.items()}
    _, (pair,) = pairs_of(row, folder=tmp_path)
    assert {name: getattr(pair, name) for name in PAIR} == PAIR


def test_an_image_in_a_message_is_no_text(tmp_path: Path) -> None:
    asked = [{"role": "user", "content": [{"type": "image"}, *part("Add one.")]}]
    counts, _ = pairs_of(PAIR | {"prompt": asked}, PAIR, folder=tmp_path)
    assert counts["dropped/bad_record"] == 1


def test_ends_of_lines_are_no_difference(tmp_path: Path) -> None:
    counts, pairs = pairs_of(PAIR | {"chosen": "x = 1\r\ny = 2\r\n", "rejected": "x = 1\ny = 2"}, PAIR, folder=tmp_path)
    assert (len(pairs), counts["dropped/same_program"]) == (1, 1)


ADD = "def add(a, b):\n    return a + b\n"
ASSERTIONS = ["assert add(1, 2) == 3", "assert add(0, 5) == 5"]
ASKED = {"prompt": "Add.", "reference": ADD, "tests": ASSERTIONS}


def test_a_column_that_is_named_for_one_part_is_no_other_part(tmp_path: Path) -> None:
    row = {"task": "Add a and b.", "source": ADD, "tests": ASSERTIONS}
    _, problems = problems_of(tmp_path, "problems", row, columns="prompt=task,reference=source,hidden_tests=tests")
    (problem,) = problems.values()
    assert (problem.source, len(problem.tests), len(problem.hidden_tests)) == ("problems", 1, 1)
    with pytest.raises(InputError, match="its task is sum; if that is no kind of task, add --columns task="):
        problems_of(tmp_path, "problems", ASKED | {"task": "sum"})


def test_a_list_and_a_text_of_code_are_both_tests(tmp_path: Path) -> None:
    _, problems = problems_of(tmp_path, "problems", ASKED | {"more": PYTEST}, columns="tests=tests+more")
    assert [[test.kind for test in problem.tests] for problem in problems.values()] == [["assert", "assert", "pytest"]]


@pytest.mark.parametrize("null", ["None", "nan", None])
def test_a_null_is_a_null_in_each_spelling_of_pandas(tmp_path: Path, null: Any) -> None:
    parts = dict.fromkeys(("task_id", "entry_point", "license", "language", "setup", "starter_code", "source"), null)
    _, problems = problems_of(tmp_path, "problems", ASKED | parts)
    (problem,) = problems.values()
    assert (problem.entry_point, problem.license, problem.setup, problem.source) == ("add", None, None, "problems")
    assert problem.task_id.startswith("problem-")
    assert list(problems_of(tmp_path, "problems", ASKED | {"task_id": "null"})[1]) == ["null"]
    found, _ = problems_of(tmp_path, "problems", ASKED | {"reference": null}, ASKED)
    assert found.counts["dropped/no_reference"] == 1


@pytest.mark.parametrize("empty", ["", " ", "[]", "{}", [], {}, None, "None"])
def test_of_two_columns_the_one_that_holds_something_is_read(tmp_path: Path, empty: Any) -> None:
    row = {"prompt": "Add.", "tests": empty, "checks": ASSERTIONS, "reference": empty, "answer": ADD}
    _, problems = problems_of(tmp_path, "problems", row, columns="tests=tests|checks,reference=reference|answer")
    assert [(len(problem.tests), problem.reference) for problem in problems.values()] == [(2, ADD)]


SUM = "input()\nprint(sum(map(int, input().split())))\n"
OBJECT = "class Sum:\n    def of(self, a, b):\n        return a + b\n"
PYTEST = "def test_add():\n    assert add(1, 2) == 3\n"
OF_MODULE = f"import solution\n\n{PYTEST.replace('add(1', 'solution.add(1')}"
FIXTURE = f"import pytest\n\n@pytest.fixture\ndef one():\n    return 1\n\n{PYTEST.replace('()', '(one)')}"
SHAPES: dict[str, tuple[Any, str, str]] = {
    "nulls among assertions": ([ASSERTIONS[0], None, ""], ADD, "assert"),
    "pytest without an import": (PYTEST, ADD, "pytest"),
    "pytest with a fixture": (FIXTURE, ADD, "pytest"),
    "pytest that imports the module": (OF_MODULE, ADD, "pytest"),
    "one input and one output": ({"input": "2\n1 2\n", "output": "3\n"}, SUM, "stdin"),
    "numbers": ({"input": 3, "output": 4}, "print(int(input()) + 1)\n", "stdin"),
    "an object of a class": ("s = Sum()\nassert s.of(1, 2) == 3", OBJECT, "assert"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_tests_are_read_in_every_shape(tmp_path: Path, name: str) -> None:
    tests, right, kind = SHAPES[name]
    _, problems = problems_of(tmp_path, "problems", {"prompt": "Do.", "reference": right, "tests": tests})
    (problem,) = problems.values()
    assert [test.kind for test in problem.tests] == [kind]
    assert problem.entry_point == ("" if kind == "stdin" else "Sum" if right == OBJECT else "add")


def test_tests_of_pytest_import_what_they_use_of_the_program(tmp_path: Path) -> None:
    row = {"prompt": "Do.", "reference": ADD.replace("add", "_add"), "tests": PYTEST.replace(" add(", " _add(")}
    _, problems = problems_of(tmp_path, "problems", row)
    assert [problem.entry_point for problem in problems.values()] == ["_add"]


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        ([{"code": ASSERTIONS[0]}], "has no field 'input', but code; .* as in tests=COLUMN.code"),
        ([{"input": "1", "expected_output": "2"}], "has no field 'output', but input, expected_output;"),
        (f"from your_module import add\n\n{PYTEST}", "those of pytest .* import from `solution`"),
        ("def test_nothing():\n    assert True\n", "or that use nothing of the program"),
        ({"test_list": ASSERTIONS}, "has no field 'input', but test_list;"),
        (
            [{"input": "a = 1, b = 2", "output": "3", "fn_name": "add"}],
            "the arguments of a call are JSON, .* 'a = 1, b",
        ),
    ],
)
def test_tests_that_are_not_read_are_told_with_what_they_hold(tmp_path: Path, tests: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        problems_of(tmp_path, "problems", ASKED | {"tests": tests})


def test_a_license_is_never_overwritten(tmp_path: Path) -> None:
    _, pairs = pairs_of(PAIR | {"license": "GPL-3.0-only"}, PAIR, PAIR | {"license": ["MIT", "ISC"]},
                        folder=tmp_path, license="MIT")  # fmt: skip
    assert [pair.license for pair in pairs] == ["GPL-3.0-only", "MIT", "MIT AND ISC"]
    _, (pair,) = pairs_of(PAIR | {"license": '["MIT", "ISC"]'}, folder=tmp_path)
    assert pair.license == "MIT AND ISC"
    row = {"question": "Do.", "solutions": ["print(2)"], "input_output": {"inputs": ["1"], "outputs": ["2"]}}
    _, problems = problems_of(tmp_path, "apps", row | {"license": "GPL-3.0-only"}, row, license="ISC")
    assert [problem.license for problem in problems.values()] == ["GPL-3.0-only", "ISC"]


@pytest.mark.parametrize("license", [{"spdx": "GPL-3.0-only"}, ["MIT", {"name": "GPL"}], 3, True])
def test_a_license_that_is_no_text_is_refused_and_not_passed_over(tmp_path: Path, license: Any) -> None:
    stated = {"license": license}
    counts, (pair,) = pairs_of(PAIR | stated, PAIR, folder=tmp_path, license="MIT")
    assert (pair.license, counts["dropped/bad_record"]) == ("MIT", 1)
    row = {"question": "Do.", "solutions": ["print(2)"], "input_output": {"inputs": ["1"], "outputs": ["2"]}}
    found, problems = problems_of(tmp_path, "apps", row | stated, row, license="MIT")
    assert (len(problems), found.counts["dropped/bad_record"]) == (1, 1)


def test_rows_of_a_test_split_are_read_only_if_they_are_asked_for(tmp_path: Path) -> None:
    splits = ("train", "test", "TEST", "dev", "fold-3", None, 7, "fold-4", "test_easy")
    rows = [PAIR | {"task_id": str(place), "split": split} for place, split in enumerate(splits)]

    def read(**words: Any) -> str:
        _, pairs = pairs_of(*rows, folder=tmp_path, **words)
        return "".join(pair.task_id for pair in pairs)

    assert [read(), read(split="train"), read(split="val")] == ["04567", "04567", "34567"]
    assert read(split="test") == "1245678"
    assert [read(split="all"), read(columns="split=")] == ["012345678", "012345678"]
    # What has none of the usual words is a split if the user says so.
    assert [read(split="fold-3"), read(split="test_easy")] == ["456", "568"]
    counts, _ = pairs_of(*rows, folder=tmp_path)
    assert counts["dropped/other_split"] == 4
    with pytest.raises(InputError, match="its split is 'test'; --split test reads it"):
        pairs_of(PAIR | {"subset": "test"}, folder=tmp_path, columns="split=subset")


def test_a_dash_is_no_statement(tmp_path: Path) -> None:
    counts, pairs = pairs_of(PAIR | {"prompt": "-"}, PAIR, folder=tmp_path)
    assert (len(pairs), counts["dropped/no_prompt"]) == (1, 1)
    row = {"question": " - ", "solutions": ["print(2)"], "input_output": {"inputs": ["1"], "outputs": ["2"]}}
    found, _ = problems_of(tmp_path, "apps", row, row | {"question": "Do."})
    assert found.counts["dropped/no_prompt"] == 1


BAD: dict[str, str] = {
    "a lone surrogate": '{"prompt": "p", "chosen": "x = 1\\n", "rejected": "x = \\"\\ud83d\\"\\n"}',
    "a lone surrogate in the prompt": '{"prompt": "\\ud83d p", "chosen": "x = 1\\n", "rejected": "x = 2\\n"}',
    "nesting": '{"prompt": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "nesting of 1,000": '{"prompt": ' + "[" * 1000 + "]" * 1000 + ', "chosen": "x = 1", "rejected": "x = 2"}',
    "a program's nesting": json.dumps(PAIR | {"chosen": "x = " + "(" * 1000 + ")" * 1000}),
    "an integer": '{"prompt": ' + "9" * 5000 + ', "chosen": "x = 1", "rejected": "x = 2"}',
    "a number": "7",
    "no JSON": '{"prompt": ',
    "NaN": '{"prompt": NaN, "chosen": "x = 1", "rejected": "x = 2"}',
}


BROKEN = ("no JSON", "nesting", "nesting of 1,000")


@pytest.mark.parametrize(
    ("name", "array"),
    # An array with text that is no JSON, or is nested too deeply, is broken itself.
    [
        (name, array)
        for name in BAD
        for array in (True, False)
        if not (array and name in ("no JSON", "nesting", "nesting of 1,000"))
    ],
)
def test_no_row_ends_a_run_of_pairs(tmp_path: Path, name: str, array: bool) -> None:
    rows = [json.dumps(PAIR), BAD[name], json.dumps(PAIR)]
    source = tmp_path / "in.json"
    source.write_text(f"[{','.join(rows)}]" if array else "\n".join(rows))
    found = ingest_pairs(Source([source]), tmp_path / "out.jsonl")
    assert found.counts["pairs"] == 2
    assert sum(found.counts.values()) == 3


def test_tests_in_a_text_with_a_key_that_stands_twice_are_refused(tmp_path: Path) -> None:
    tests = '{"inputs": ["1"], "inputs": ["2"], "outputs": ["1"]}'
    rows = [{"prompt": "Do.", "gold_standard_solution": ANSWER, "verification_info": {"test_cases": TEST_CASES}}]
    rows.append(rows[0] | {"verification_info": tests})
    found, problems = problems_of(tmp_path, "prime", *rows)
    assert (len(problems), found.counts["dropped/bad_record"]) == (1, 1)
    assert "'inputs'" in found.dropped[0].explanation
    assert "stands twice" in found.dropped[0].explanation


def test_a_key_that_stands_twice_in_a_file_of_pairs_or_problems_is_an_error_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"task_id": "a", "prompt": "p", "chosen": "x", "rejected": "y", "rejected": "z"}\n')
    with pytest.raises(RecordError, match=r"pairs.jsonl:1: the key 'rejected' stands twice in one object"):
        list(read_pairs(path))


@pytest.mark.parametrize("name", ["rows.tar.gz", "rows.zip", "rows.tsv", "rows.pkl", "rows.JSONL.BAK"])
def test_a_file_of_another_layout_is_refused_in_place_of_losing_rows(tmp_path: Path, name: str) -> None:
    lines = "".join(json.dumps(PAIR) + "\n" for _ in range(3)).encode()
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        entry = tarfile.TarInfo("a.jsonl")
        entry.size = len(lines)
        archive.addfile(entry, io.BytesIO(lines))
    (tmp_path / name).write_bytes(data.getvalue() if name.endswith(".gz") else lines)
    with pytest.raises(InputError, match=r"files that end in \.\w+ are not read; give JSONL, JSON"):
        ingest_pairs(Source([tmp_path / name]), tmp_path / "out.jsonl")


APPS = {"question": "Do.", "solutions": ["def f(n):\n    return n\n"]}


def calls(*examples: tuple[Any, Any], code: str = "") -> dict[str, Any]:
    tests = {"fn_name": "f", "inputs": [[given] for given, _ in examples], "outputs": [out for _, out in examples]}
    row: dict[str, Any] = APPS | {"input_output": json.dumps(tests)}
    return row | {"solutions": [code]} if code else row


def test_no_value_of_a_test_ends_a_run_of_problems(tmp_path: Path) -> None:
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    rows = [
        calls((1, 1)),
        APPS | {"input_output": '{"inputs": ["\\ud83d"], "outputs": ["1"]}'},
        APPS | {"input_output": '{"fn_name": "f", "inputs": ' + "[" * 5000 + "]" * 5000 + "}"},
        APPS | {"input_output": {"inputs": ["a\0b\n"], "outputs": ["1\0"]}},
        calls((deep, deep)),
        APPS | {"input_output": '{"fn_name": "f", "inputs": [[NaN]], "outputs": [NaN]}'},
        APPS | {"solutions": ["x = 1\0"], "input_output": {"inputs": ["1"], "outputs": ["1"]}},
        calls((2, 2)),
    ]
    found, _ = problems_of(tmp_path, "apps", *rows)
    taken = found.counts["problems"]
    assert taken >= 2
    assert taken + sum(count for name, count in found.counts.items() if name.startswith("dropped/")) == len(rows)


def test_integers_of_any_length_and_infinity_are_results_like_others(tmp_path: Path) -> None:
    long = 10**5000 - 1
    # Written by hand, as `json` refuses integers of this length.
    tests = '{"fn_name": "f", "inputs": [[1]], "outputs": [' + "9" * 5000 + "]}"
    rows = [
        APPS | {"solutions": ["def f(n):\n    return 10 ** 5000 - 1\n"], "input_output": tests},
        calls((1, float("inf")), code="def f(n):\n    return float('inf')\n"),
    ]
    found, problems = problems_of(tmp_path, "apps", *rows)
    assert found.counts == {"problems": 2, "references/passed": 2}
    (test,) = next(iter(problems.values())).tests
    assert int(test.model_dump()["expected"], 16) == long


@pytest.mark.parametrize("text", ["101", "true", "null", "inf", "NaN", "1e5", "[1]", '"a"', "", "\u2028"])
def test_a_text_stays_a_text_unless_a_reference_shows_otherwise(tmp_path: Path, text: str) -> None:
    rows = [
        calls((text, text)),
        calls((text, [text])),
        calls((5, "6"), code="def f(n):\n    return n + 1\n"),
    ]
    found, problems = problems_of(tmp_path, "apps", *rows)
    assert found.counts == {"problems": 3, "references/passed": 3}
    expected = [problem.tests[0].model_dump()["expected"] for problem in problems.values()]
    assert expected == [repr(text), repr(text), "6"]
    rstar = {"question": "Do.", "inputs": json.dumps([[1]]), "outputs": json.dumps([text]), "func_name": "f"}
    _, unreferenced = problems_of(tmp_path, "rstar", rstar)
    assert [problem.tests[0].model_dump()["expected"] for problem in unreferenced.values()] == [repr(text)]


def test_tests_that_say_nothing_or_contradict_each_other_are_left_out_and_counted(tmp_path: Path) -> None:
    def row(inputs: list[Any], outputs: list[Any], name: str | None = None) -> dict[str, Any]:
        return {"question": "Do.", "inputs": inputs, "outputs": outputs, "func_name": name}

    found, problems = problems_of(
        tmp_path,
        "rstar",
        row(["5\n", "7\n"], ["6\n", None]),
        row(["5\n", "5\n", "1\n"], ["6\n", "7\n", "2\n"]),
        row(["5\n", "1\n"], [" \n", "2\n"]),
        row([[5], [1]], [None, 2], "f"),
        row(["5\n", "5\n"], ["6\n", "6 \n"]),
        row(["5\n", "5\n"], ["6\n", "7\n"]),
        row(["5\n"], [None]),
    )
    assert [len(problem.tests) for problem in problems.values()] == [1, 1, 1, 1, 2]
    assert found.counts == {
        "problems": 5,
        "references/none": 5,
        "tests_left_out/null": 2,
        "tests_left_out/contradictory": 2,
        "tests_left_out/demands_nothing": 1,
        "dropped/no_tests": 2,
    }


def test_keys_that_would_become_one_number_stay_texts(tmp_path: Path) -> None:
    rows = [calls(({"1": 2, "01": 3}, 2), code="def f(n):\n    return len(n)\n"),
            calls(({"1": 2, "02": 3}, 5), code="def f(n):\n    return n[1] + n[2]\n")]  # fmt: skip
    _, problems = problems_of(tmp_path, "apps", *rows)
    shown = [problem.tests[0].model_dump()["call"] for problem in problems.values()]
    assert shown == ["f({'1': 2, '01': 3})", "f({1: 2, 2: 3})"]


@pytest.mark.parametrize("given", [{"a": 1}, ["1", None], [["1", None]], [{"a": 1}]])
def test_a_script_reads_no_object_and_no_null(tmp_path: Path, given: Any) -> None:
    good = {"question": "Do.", "inputs": [["1", "2"], 3], "outputs": [1.5, ["4"]]}
    for column in ("inputs", "outputs"):
        bad = good | {column: [given, "5"]}
        found, problems = problems_of(tmp_path, "rstar", good, bad)
        assert (len(problems), found.counts["dropped/bad_record"]) == (1, 1)
        assert "tests" in found.dropped[0].explanation


def test_a_result_null_is_no_test(tmp_path: Path) -> None:
    rows = [calls((1, None), (2, 3), code=f"def f(n):\n    return {code}\n")
            for code in ("None if n == 1 else 3", "n + 1")]  # fmt: skip
    found, problems = problems_of(tmp_path, "apps", *rows)
    assert [len(problem.tests) for problem in problems.values()] == [1, 1]
    assert found.counts["tests_left_out/null"] == 2


def test_the_nearest_of_all_wrong_programs_make_a_trajectory(tmp_path: Path) -> None:
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


def test_items_that_are_no_programs_are_counted(tmp_path: Path) -> None:
    solutions = json.dumps([None, {"code": "print(7)"}, "print(7)"])
    row = {"question": "Do.", "solutions": solutions, "input_output": {"inputs": ["1"], "outputs": ["7"]}}
    found, _ = problems_of(tmp_path, "apps", row)
    assert found.counts == {"problems": 1, "references/passed": 1, "programs_left_out/no_text": 2}


def test_a_right_program_is_found_behind_three_that_fail(tmp_path: Path) -> None:
    wrong = [f"import package_{number}" for number in range(5)]
    row = {"question": "Do.", "solutions": [*wrong, "print(7)"], "input_output": {"inputs": ["1"], "outputs": ["7"]}}
    _, problems = problems_of(tmp_path, "apps", row)
    assert [problem.reference for problem in problems.values()] == ["print(7)"]


def test_no_program_is_looked_at_once_twenty_right_ones_are_kept(tmp_path: Path) -> None:
    right = [f"# {number}\nprint(7)" for number in range(20)]
    row = {"question": "Do.", "solutions": [*right, "main(){}"], "input_output": {"inputs": ["1"], "outputs": ["7"]}}
    found, _ = problems_of(tmp_path, "apps", row)
    assert found.counts == {"problems": 1, "references/passed": 1}
    found, _ = problems_of(tmp_path, "apps", row | {"solutions": row["solutions"][1:]})
    assert found.counts == {"problems": 1, "references/passed": 1, "programs_left_out/other": 1}


TEST_CASES = [{"fn_name": None, "type": "stdin_stdout", "input": "1\n", "output": "2\n"}]
ANSWER = "```python\nprint(int(input()) + 1)\n```"


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Do.", "gold_standard_solution": ANSWER,
         "verification_info": repr({"language": "python", "test_cases": TEST_CASES})},
        {"problem_statement": "Do.", "gold_standard_solution": ANSWER,
         "verification_info": {"language": "python", "test_cases": TEST_CASES}},
        {"prompt": "Do.", "gold_standard_solution": ANSWER,
         "verification_info": {"language": "python", "test_cases": [TEST_CASES[0] | {"fn_name": "main"}]}},
        {"prompt": "Do.", "task_type": "prime_rl_code", "verification_info": json.dumps(
            {"test_cases": json.dumps({"inputs": ["1\n"], "outputs": ["2\n"]})})},
    ],
)  # fmt: skip
def test_shapes_of_prime_intellects_sets_give_the_same_test(tmp_path: Path, row: dict[str, Any]) -> None:
    _, problems = problems_of(tmp_path, "prime", row)
    assert [problem.tests[0].model_dump()["output"] for problem in problems.values()] == ["2\n"]


@pytest.mark.parametrize("language", ["python", "Python", "python3", "Python 3", None, "absent"])
def test_python_is_python_by_every_name(tmp_path: Path, language: str | None) -> None:
    stated = {} if language == "absent" else {"language": language}
    row = {"prompt": "Do.", "gold_standard_solution": ANSWER, "verification_info": {"test_cases": TEST_CASES} | stated}
    found, _ = problems_of(tmp_path, "prime", row)
    assert found.counts["problems"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "checker"}, "a test is of type 'checker', which is none of stdin_stdout, stdin, function_call"),
        ({"testtype": "interactive"}, "a test is of type 'interactive'"),
        ({"type": "function_call"}, "they call a function, and nothing names it"),
    ],
)
def test_a_kind_of_test_that_is_not_known_is_not_taken_for_a_script(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    row = {"prompt": "Do.", "gold_standard_solution": ANSWER, "tests": [TEST_CASES[0] | change]}
    with pytest.raises(InputError, match=message):
        problems_of(tmp_path, "prime", row)


def test_tests_whose_outputs_are_the_same_by_the_rule_do_not_contradict_each_other(tmp_path: Path) -> None:
    def row(*outputs: str) -> dict[str, Any]:
        return {"question": "Do.", "inputs": ["5\n"] * len(outputs), "outputs": list(outputs)}

    rows = [row("6\n7\n", "6 \n7"), row("2", "2.0"), row("Yes", "YES"), row("1", "1", "2")]
    found, problems = problems_of(tmp_path, "rstar", *rows)
    assert [len(problem.tests) for problem in problems.values()] == [2]
    assert found.counts["dropped/no_tests"] == 3
    contest = {"name": "a", "description": "Do.", "solutions": {"language": [3, 3], "solution": [None, "print('yes')"]},
               "public_tests": {"input": ["5", "5"], "output": ["Yes", "YES"]}}  # fmt: skip
    found, problems = problems_of(tmp_path, "code_contests", contest)
    assert [len(problem.tests) for problem in problems.values()] == [2]
    assert found.counts["programs_left_out/no_text"] == 1


TEXT = st.text(max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(chosen=TEXT, rejected=TEXT)
def test_any_two_texts_come_back_unchanged_or_are_refused(chosen: str, rejected: str) -> None:
    with suppress(LeftOutError):
        assert find_programs(chosen, rejected) == (chosen, rejected)


CODE = st.lists(
    st.sampled_from(
        ["def f(n):", "    return n", "x = 1", "print x", "print(x)", "", "for i in xrange(3):", "\tpass", "# a",
         "Done.", "x = '''", "'''", "\x0c", "y = 2\r", "a: b", "x <- 2", "while x:", "class A:", "x = '\u2028'"]
    ),
    max_size=6,
).map("\n".join)  # fmt: skip


@given(chosen=CODE, rejected=CODE)
def test_no_program_is_shortened(chosen: str, rejected: str) -> None:
    with suppress(LeftOutError):
        assert find_programs(chosen, rejected) == (chosen, rejected)


@given(value=VALUES)
def test_any_value_is_written_as_the_source_of_the_same_value_or_refused(value: Any) -> None:
    text = json.dumps(value)
    if "NaN" in text:
        return
    assert eval(call_tests.as_source(value), {}) == value


@given(rows=st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys((*PAIR, "language", "license"), VALUES))))
def test_rows_of_any_values_are_taken_or_counted(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    counts, pairs = pairs_of(PAIR, *rows, folder=folder)
    assert sum(counts.values()) == len(rows) + 1
    for pair in pairs[1:]:
        assert (pair.chosen, pair.rejected) in [(row.get("chosen"), row.get("rejected")) for row in rows]


@given(prompt=TEXT)
def test_any_prompt_comes_back_unchanged_or_is_refused(tmp_path_factory: pytest.TempPathFactory, prompt: str) -> None:
    _, pairs = pairs_of(PAIR, PAIR | {"prompt": prompt}, folder=tmp_path_factory.mktemp("prompt"))
    assert [pair.prompt for pair in pairs[1:]] in ([], [prompt])


@pytest.mark.parametrize(
    ("form", "part"),
    [(form, part) for form in ("problems", "trl", "pairs") for part in PARTS[PRESETS[form].parts]],
)
def test_a_column_that_is_named_must_be_there_unless_it_is_optional(tmp_path: Path, form: str, part: str) -> None:
    programs = {"buggy": "print(2)\n", "fixed": "print(1)\n", "tests": [{"input": "", "output": "1"}]}
    row = {"problems": {"prompt": "Add.", "tests": ASSERTIONS}, "trl": PAIR, "pairs": {"prompt": "Add."} | programs}[
        form
    ]
    source = written(tmp_path / "in.jsonl", row)

    def take(columns: str) -> Ingested:
        if form == "problems":
            return problems_of(tmp_path, form, row, columns=columns)[0]
        judging = Judging(PARAMS.pairs, EXECUTION, tmp_path / "store") if form == "pairs" else None
        return ingest_pairs(Source([source]), tmp_path / "out.jsonl", judging, form=form, columns=columns)

    with pytest.raises(InputError, match="no column `coed`; there are prompt, "):
        take(f"{part}=coed")
    if part not in {"prompt", "chosen", "rejected", "buggy", "fixed", "tests"}:
        assert take(f"{part}?=coed").counts


def test_two_columns_of_assertions_are_tests_of_one_function(tmp_path: Path) -> None:
    row = {"prompt": "Add.", "reference": ADD, "a": ASSERTIONS[:1], "b": ASSERTIONS[1:2]}
    _, problems = problems_of(tmp_path, "problems", row, columns="tests=a+b")
    (problem,) = problems.values()
    assert [test.model_dump()["code"] for test in problem.tests] == ASSERTIONS[:2]
