"""Preparations: code of single sets, which turns a row into one whose columns say everything.

A preparation adds columns to a row, or raises `LeftOutError`. It may count programs in other languages.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from iterpref_core.problems.ingestion.problems.programs import program_in
from iterpref_core.problems.ingestion.problems.published import LeftOutError
from iterpref_core.problems.ingestion.problems.wording import check_statement
from iterpref_core.problems.ingestion.values import as_rows, as_text, read_list
from iterpref_core.programs.source_code.language import is_python_3
from iterpref_core.storage.packed_text import unpack_text

Row = Mapping[str, Any]
Prepare = Callable[[Row, Counter[str]], Row]
"""(row, counts of programs in other languages) -> the row with further columns."""

_MBPP_PLUS_IDS = Path(__file__).with_name("mbpp_plus_ids.txt")
_OTHER_LANGUAGES = {"CPP", "Go", "Java", "JavaScript", "Rust"}
"""The beginnings of `task_id` in the other languages of HumanEvalPack and HumanEval-X."""
_CONTEST_LANGUAGES = ("unknown", "python2", "c++", "python", "java")
"""The languages of CodeContests, in the order of the set's numbers for them."""
_CONTEST_NAMES = {"PYTHON": "python2", "CPP": "c++", "PYTHON3": "python", "JAVA": "java"}
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
"""Codeforces's checkers are scripts, which read three files and print 1 or 0. This function runs such a script."""


def prepare_acecode(row: Row, left_out: Counter[str]) -> Row:
    """Sort a model's answers by the share of tests that they passed: all, or not all."""
    del left_out
    answers: dict[str, list[str]] = {"right": [], "wrong": []}
    for completion, rate in as_rows("inferences", row.get("inferences"), "completion", "pass_rate"):
        group = "right" if rate == 1 else "wrong"
        answers[group].append(program_in(as_text(completion)))
    return {**row, **answers}


def prepare_code_contests(row: Row, left_out: Counter[str]) -> Row:
    """Keep the programs in Python 3, by the languages that a row states for each of them."""
    if row.get("input_file") or row.get("output_file"):
        raise LeftOutError("not_stdin", "its programs read or write a file")
    prepared = dict(row)
    for column in ("solutions", "incorrect_solutions", "correct_submissions", "incorrect_submissions"):
        if column in row:
            program = "code" if column.endswith("submissions") else "solution"
            prepared[column] = _in_python(column, row[column], program, left_out)
    limit = row.get("time_limit")
    # CodeContests+ has milliseconds where CodeContests has seconds; no problem has a limit of 100 seconds.
    if isinstance(limit, int | float) and limit >= 100:
        prepared["time_limit"] = f"{limit} ms"
    return prepared


def _in_python(field: str, programs: Any, name: str, left_out: Counter[str]) -> list[str]:
    kept = []
    for language, program in as_rows(field, programs, "language", name):
        spoken = _contest_language(language) if isinstance(program, str) else "no_text"
        if spoken == "python":
            kept.append(program)
        else:
            left_out[spoken] += 1
    return kept


def _contest_language(stated: Any) -> str:
    if isinstance(stated, str):
        return _CONTEST_NAMES.get(stated) or ("python" if is_python_3(stated) else stated.lower() or "unknown")
    # A column of whole numbers with nulls has decimal ones in pandas.
    known = not isinstance(stated, bool) and stated in range(len(_CONTEST_LANGUAGES))
    return _CONTEST_LANGUAGES[int(stated)] if known else "unknown"


def prepare_codeforces(row: Row, left_out: Counter[str]) -> Row:
    """Put a statement together from its sections, and make a function of the set's checker."""
    del left_out
    if row.get("interaction_format") or row.get("input_mode") not in {None, "stdio"}:
        raise LeftOutError("not_stdin", "it is interactive, or reads a file")
    check_statement(row.get("description"))
    examples = as_rows("examples", row.get("examples"), "input", "output")
    official = as_rows("official_tests", row.get("official_tests"), "input", "output")
    hidden = [{"input": given, "output": printed} for given, printed in official if (given, printed) not in examples]
    shown = [test for test in examples if None not in test] or official[:1]
    sections = [
        ("# ", row.get("title")),
        ("", row.get("description")),
        ("## Input\n", row.get("input_format")),
        ("## Output\n", row.get("output_format")),
        *(("## Example\nInput:\n", _example(given, printed)) for given, printed in shown),
        ("## Note\n", row.get("note")),
    ]
    prepared = {**row, "official_tests": hidden}
    prepared["statement"] = "\n\n".join(heading + as_text(text) for heading, text in sections if text)
    if row.get("generated_checker"):
        prepared["checker"] = _CHECKER.format(source=as_text(row["generated_checker"]))
    return prepared


def _example(given: Any, printed: Any) -> str:
    return f"{as_text(given).rstrip()}\nOutput:\n{as_text(printed).rstrip()}"


def prepare_humaneval(row: Row, left_out: Counter[str]) -> Row:
    """Complete the programs, which continue the prompt or a declaration, and find the function that is asked for."""
    del left_out
    language = str(row.get("task_id")).partition("/")[0]
    if language in _OTHER_LANGUAGES:
        raise LeftOutError("not_python", f"its language is {language}")
    prepared = dict(row)
    begun = as_text(row.get("declaration") or row.get("prompt"))
    if not row.get("entry_point"):
        # HumanEval-X has no such column: the last function that the prompt begins is asked for.
        defined = re.findall(r"^(?:async )?def +(\w+)", as_text(row.get("prompt")), re.MULTILINE)
        prepared["entry_point"] = defined[-1] if defined else None
    definition = rf"^(?:async )?(?:def|class) +{re.escape(str(prepared['entry_point']))}\b"
    for column in ("canonical_solution", "buggy_solution"):
        # EvoEval's solutions are whole.
        solution = as_text(row.get(column))
        if solution and not re.search(definition, solution, re.MULTILINE):
            prepared[column] = begun + solution
    return prepared


def prepare_kodcode(row: Row, left_out: Counter[str]) -> Row:
    """Show the declarations that the tests rely on; with the style `complete`, the question begins the program."""
    del left_out
    question = as_text(row.get("question"))
    check_statement(question)
    functions = [each for each in read_list("test_info", row.get("test_info")) if isinstance(each, Mapping)]
    names = [as_text(each.get("function_name")) for each in functions if each.get("function_name")]
    wanted = "\n".join(filter(None, (as_text(each.get("function_declaration")).strip() for each in functions)))
    prompt = question
    if row.get("style") == "complete":
        prompt = f"Complete this Python code:\n```python\n{question.rstrip()}\n```"
    elif wanted:
        prompt = f"{question.strip()}\n\nWrite Python code that defines:\n```python\n{wanted}\n```"
    return {**row, "statement": prompt, "entry_point": names[0] if names else None}


def prepare_livecodebench(row: Row, left_out: Counter[str]) -> Row:
    """Unpack the private tests."""
    del left_out
    private = row.get("private_test_cases")
    if not isinstance(private, str) or not private.strip() or private.lstrip().startswith("["):
        return row
    return {**row, "private_test_cases": unpack_text(private)}


@cache
def mbpp_plus_ids() -> frozenset[int]:
    """Return the numbers of the MBPP tasks that MBPP+ evaluates on, and that training leaves out."""
    numbers: set[int] = set()
    for line in _MBPP_PLUS_IDS.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            numbers.update(map(int, line.split()))
    return frozenset(numbers)


def prepare_mbpp(row: Row, left_out: Counter[str]) -> Row:
    """Show a task's assertions, which tell the function's name, as MBPP's authors do (Austin et al. 2021, section 3).

    Imports and set-up stand before each test: MBPP runs the set-up after the program, whose names it may use.
    """
    del left_out
    if row.get("task_id") in mbpp_plus_ids():
        raise LeftOutError("in_mbpp_plus")
    question = row.get("text") or row.get("prompt")
    if not question:
        raise ValueError("field 'text': Field required (or 'prompt', as in the sanitized file)")
    check_statement(as_text(question))
    lines = [as_text(line) for line in read_list("test_imports", row.get("test_imports"))]
    lines.append(as_text(row.get("test_setup_code")).replace("\r\n", "\n"))
    setup = "".join(f"{line}\n" for line in lines if line)
    prepared = dict(row)
    for column in ("test_list", "challenge_test_list"):
        if column in row:
            prepared[column] = [setup + as_text(test) for test in read_list(column, row[column])]
    listed = "\n".join(map(as_text, read_list("test_list", row.get("test_list"))))
    prepared["statement"] = f"{question} Your code should pass these tests:\n\n{listed}"
    return prepared


def prepare_rstar(row: Row, left_out: Counter[str]) -> Row:
    """Name the method of a class by the expression that calls it."""
    del left_out
    if not row.get("class_name"):
        return row
    return {**row, "func_name": f"{row['class_name']}().{row.get('func_name')}"}


def prepare_helpsteer3(row: Row, left_out: Counter[str]) -> Row:
    """Choose the response that people preferred: -3 means that the first is much better, 3 the second, 0 neither."""
    del left_out
    if row.get("domain") not in {None, "code"}:
        raise LeftOutError("not_code", f"its domain is {row['domain']}")
    preference = row.get("overall_preference")
    if not isinstance(preference, int | float) or isinstance(preference, bool):
        raise ValueError("column `overall_preference`: a number is expected")
    if preference == 0:
        raise LeftOutError("no_preference")
    sides = (row.get("response1"), row.get("response2"))
    chosen, rejected = sides if preference < 0 else sides[::-1]
    return {**row, "chosen": chosen, "rejected": rejected}
