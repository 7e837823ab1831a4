"""Load the presets of published sets, with the columns of their rows, from `presets.toml`.

The functions here prepare the rows of single sets, so that each part of a problem has a column. They add columns to a
row, or raise `DroppedError`.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from iterpref_core.records import ASKED_DECLARATIONS, ASKED_TESTS
from iterpref_core.storage.packed_text import unpack_text

from .columns import DroppedError
from .prompts import says_something
from .values import Row, as_rows, as_text, read_list

_MBPP_PLUS_IDS = Path(__file__).with_name("mbpp_plus_ids.txt")
_OTHER_LANGUAGES = {"CPP", "Go", "Java", "JavaScript", "Rust"}
"""The beginnings of `task_id` in the other languages of HumanEvalPack and HumanEval-X."""
_CONTEST_LANGUAGES: dict[Any, str] = {
    **dict(enumerate(("unknown", "python2", "c++", "python", "java"))),
    "PYTHON": "python2",
    "CPP": "c++",
}
"""The languages of CodeContests, by the set's numbers or names for them."""
_CHECKER = '''\
SOURCE = {source!r}


def check(input, expected, printed):
    """Run the set's checker, which reads three files named on its command line, and prints the score."""
    import contextlib, io, pathlib, sys, tempfile
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["checker.py"]
        for name, text in (("input", input), ("expected", expected), ("printed", printed)):
            path = pathlib.Path(folder, name)
            path.write_text(text)
            arguments.append(str(path))
        score = io.StringIO()
        sys.argv = arguments
        with contextlib.redirect_stdout(score), contextlib.suppress(SystemExit):
            exec(compile(SOURCE, "checker.py", "exec"), {{"__name__": "__main__"}})
    return float((score.getvalue().split() or ["0"])[-1]) > 0
'''
"""Codeforces's checkers are scripts that read three files and print 1 or 0. This function runs a checker."""


def prepare_acecode(row: Row) -> Row:
    """Sort a model's answers by the share of tests that they passed: all, or not all."""
    answers: dict[str, list[str]] = {"right": [], "wrong": []}
    for completion, rate in as_rows(row.get("inferences"), "completion", "pass_rate"):
        answers["right" if rate == 1 else "wrong"].append(as_text(completion))
    return {**row, **answers}


def prepare_code_contests(row: Row) -> Row:
    """Name the language of each program."""
    if row.get("input_file") or row.get("output_file"):
        raise DroppedError("not_stdin", "its programs read or write a file")
    prepared = dict(row)
    for column in ("solutions", "incorrect_solutions", "correct_submissions", "incorrect_submissions"):
        if column in row:
            program = "code" if column.endswith("submissions") else "solution"
            programs = as_rows(row[column], "language", program)
            # The columns `language` and `solution` become one list of programs with their languages.
            prepared[column] = [
                {"language": _CONTEST_LANGUAGES.get(stated, stated or "unknown"), "code": code}
                for stated, code in programs
            ]
    return prepared


def prepare_codeforces(row: Row) -> Row:
    """Put a statement together from its sections, and make a function of the set's checker."""
    if row.get("interaction_format") or row.get("input_mode") not in {None, "stdio"}:
        raise DroppedError("not_stdin", "it is interactive, or reads a file")
    _check_statement(row.get("description"))
    examples = as_rows(row.get("examples"), "input", "output")
    official = as_rows(row.get("official_tests"), "input", "output")
    hidden = [{"input": given, "output": printed} for given, printed in official if (given, printed) not in examples]
    # Examples without a text are not shown; if none is left, the first official test is.
    shown = [test for test in examples if None not in test] or official[:1]
    sections = [
        ("# ", row.get("title")),
        ("", row.get("description")),
        ("## Input\n", row.get("input_format")),
        ("## Output\n", row.get("output_format")),
        *(("## Example\nInput:\n", _example(given, printed)) for given, printed in shown),
        ("## Note\n", row.get("note")),
    ]
    statement = "\n\n".join(heading + as_text(text) for heading, text in sections if text)
    checker = row.get("generated_checker")
    return {
        **row,
        "official_tests": hidden,
        "statement": statement,
        "checker": _CHECKER.format(source=as_text(checker)) if checker else None,
    }


def _example(given: Any, printed: Any) -> str:
    return f"{as_text(given).rstrip()}\nOutput:\n{as_text(printed).rstrip()}"


def prepare_humaneval(row: Row) -> Row:
    """Complete the programs, which continue the prompt or a declaration; EvoEval's programs are whole."""
    language = str(row.get("task_id")).partition("/")[0]
    # `CPP/0` is a task in C++, `HumanEval/0` in Python.
    if language in _OTHER_LANGUAGES:
        raise DroppedError("not_python", f"its language is {language}")
    prepared = dict(row)
    for column in ("canonical_solution", "buggy_solution"):
        program = as_text(row.get(column))
        # The body of a function is indented.
        if program.lstrip("\r\n")[:1].isspace():
            prepared[column] = as_text(row.get("declaration") or row.get("prompt")) + program
    return prepared


def prepare_kodcode(row: Row) -> Row:
    """Show the declarations that the tests rely on; with the style `complete`, the question begins the program."""
    question = as_text(row.get("question"))
    _check_statement(question)
    functions = [each for each in read_list(row.get("test_info")) if isinstance(each, Mapping)]
    names = [as_text(each.get("function_name")) for each in functions if each.get("function_name")]
    wanted = "\n".join(filter(None, (as_text(each.get("function_declaration")).strip() for each in functions)))
    prompt = question
    if row.get("style") == "complete":
        prompt = f"Complete this Python code:\n```python\n{question.rstrip()}\n```"
    elif wanted:
        prompt = f"{question.strip()}\n\n{ASKED_DECLARATIONS}```python\n{wanted}\n```"
    return {**row, "statement": prompt, "entry_point": names[0] if names else None}


def _check_statement(statement: Any) -> None:
    """Check that a statement has words, before others are added.

    Raises:
        DroppedError: it has none.
    """
    if not says_something(as_text(statement)):
        raise DroppedError("no_prompt", f"its statement is {statement!r}")


def prepare_livecodebench(row: Row) -> Row:
    """Unpack the private tests."""
    private = row.get("private_test_cases")
    if not isinstance(private, str) or not private.strip():
        return row
    return {**row, "private_test_cases": unpack_text(private)}


@cache
def mbpp_plus_ids() -> frozenset[int]:
    """Return the numbers of the 378 MBPP tasks that MBPP+ v0.2.0 evaluates on, and that training leaves out.

    They are of EvalPlus's release (Apache-2.0; sha256 of its data file starts with af43697e8791).
    """
    return frozenset(map(int, _MBPP_PLUS_IDS.read_text(encoding="utf-8").split()))


def prepare_mbpp(row: Row) -> Row:
    """Show a task's assertions, which name the function, as MBPP's authors do (Austin et al. 2021, section 3).

    Imports and set-up precede each test: MBPP runs the set-up after the program, whose names it may use.
    """
    # 11 is "11" in CSV, 11.0 in a column with nulls, and "Mbpp/11" for EvalPlus.
    number = re.search(r"(\d+)(?:\.0)?\s*$", as_text(row.get("task_id")))
    if number and int(number[1]) in mbpp_plus_ids():
        raise DroppedError("in_mbpp_plus", "it is a task of the benchmark MBPP+")
    question = row.get("text") or row.get("prompt")
    _check_statement(question)
    lines = [as_text(line) for line in read_list(row.get("test_imports"))]
    lines.append(as_text(row.get("test_setup_code")).replace("\r\n", "\n"))
    setup = "".join(f"{line}\n" for line in lines if line)
    prepared = dict(row)
    for column in ("test_list", "challenge_test_list"):
        if column in row:
            prepared[column] = [setup + as_text(test) for test in read_list(row[column])]
    listed = "\n".join(map(as_text, read_list(row.get("test_list"))))
    prepared["statement"] = f"{question} {ASKED_TESTS}{listed}"
    return prepared


def prepare_rstar(row: Row) -> Row:
    """Name the method of a class by the expression that calls it."""
    return {**row, "func_name": f"{row['class_name']}().{row.get('func_name')}"} if row.get("class_name") else row


@dataclass(frozen=True)
class Preset:
    """A published layout of rows.

    Attributes:
        name: the format.
        title: the sets that have it, for the table.
        card: the set's repository on the hub.
        hub: the further options of the command that reads it from the hub, for the table.
        license: SPDX of the license on the set's card, for a file without its card; a row or a card may state another.
        columns: the columns of each part, in the words of `--columns`; None: the user names them.
        notes: remarks for the table; *not seen*: the columns come from code that reads the set.
        prefix: the beginning of the problems' names; empty: names are taken as they are.
        asks: True: the prompt asks for a script or a function of a name. False: the statement asks.
        ignore_case: True: the set's own rule ignores case in a script's output.
        prepare: name of the function here that prepares the set's rows.
        parts: the kind of its rows, a key of `PARTS`.
    """

    name: str
    title: str
    card: str = ""
    hub: str = ""
    license: str = ""
    columns: str | None = None
    notes: str = ""
    prefix: str = ""
    asks: bool = True
    ignore_case: bool = False
    prepare: str = ""
    parts: str = "problems"

    @property
    def product(self) -> str:
        """Return the kind of record that a row gives, `problem` or `pair`."""
        return "pair" if self.parts in {"answers", "programs"} else "problem"

    @property
    def prepare_row(self) -> Callable[[Row], Row]:
        """Return the function that adds columns to a row."""
        return globals()[self.prepare] if self.prepare else dict


_TABLE = tomllib.loads(Path(__file__).with_name("presets.toml").read_text(encoding="utf-8"))
PRESETS = {name: Preset(name, **fields) for name, fields in _TABLE.items()}
