"""The names of `iterpref_core`: each is there, is loaded when it is first used, and its docstring's example holds."""

import doctest
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase

import iterpref_core
from iterpref_core.nanolab.byte_bpe import train_tokenizer
from iterpref_core.records import IoTest, Problem
from iterpref_core.storage.jsonl import write_jsonl

WITH_EXAMPLES = ("Executor", "evaluate", "extract_program", "localize", "mark_errors")


def test_names_are_loaded_when_they_are_first_used() -> None:
    script = (
        "import sys; from iterpref_core import Program, extract_program, localize; "
        "print([name for name in ('torch', 'transformers', 'datasets') if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_every_name_is_there_and_an_unknown_one_is_named() -> None:
    for name in iterpref_core.__all__:
        assert getattr(iterpref_core, name).__doc__
    with pytest.raises(AttributeError, match=r"no attribute 'Executer'; it has Executor, FocalCollator"):
        _ = iterpref_core.Executer


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_hold(
    name: str,
    tmp_path: Path,
    make_model: Callable[[PreTrainedTokenizerBase], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {name: getattr(iterpref_core, name) for name in ("Executor", "Limits", "Program")}
    given |= {name: getattr(iterpref_core, name)}
    if name == "evaluate":
        problem = Problem(
            task_id="p",
            prompt="Add one.",
            entry_point="f",
            tests=(IoTest(call="f(1)", expected="2"),),
            reference="def f(x): return x + 1",
            split="heldout",
        )
        write_jsonl(tmp_path / "problems.jsonl", [problem])
        model = make_model(train_tokenizer(["Add one. def f(x): return x + 1"], 300))
        given |= {"model": model, "folder": tmp_path, "problems": tmp_path / "problems.jsonl"}
    found = doctest.DocTestFinder(recurse=False).find(getattr(iterpref_core, name), name, globs=given)
    assert any(test.examples for test in found)
    for test in found:
        assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test).failed == 0
