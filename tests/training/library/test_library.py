"""The names of `iterpref_core`: each is there, and its docstring's example holds."""

import doctest

import pytest
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer

import iterpref_core
from iterpref_core.nanolab.embedded_models import train_tokenizer
from iterpref_core.records import IoTest, Problem
from iterpref_core.storage.jsonl import write_jsonl


def test_every_name_is_there_and_an_unknown_one_is_named():
    for name in iterpref_core.__all__:
        assert getattr(iterpref_core, name).__doc__
    with pytest.raises(AttributeError, match=r"no attribute 'Executer'; it has Executor, FocalCollator"):
        _ = iterpref_core.Executer


@pytest.fixture(scope="module")
def model_folder(make_model):
    return make_model(train_tokenizer(["Add one.\ndef f(x):\n    y = x + 1\n    return y - 1\n"], 300))


def globals_of_example(name, model_folder, folder):
    """The names that an example uses: its own, and names that a reader has at hand."""
    given = {other: getattr(iterpref_core, other) for other in ("Executor", "Limits", "Program", name)}
    if name == "evaluate":
        problem = Problem(
            task_id="p",
            prompt="Add one.",
            entry_point="f",
            tests=(IoTest(call="f(1)", expected="2"),),
            reference="def f(x): return x + 1",
            split="heldout",
        )
        write_jsonl(folder / "problems.jsonl", [problem])
        return given | {"model": model_folder, "folder": folder, "problems": folder / "problems.jsonl"}
    if name == "FocalCollator":
        imported = (Dataset, DPOConfig, DPOTrainer, iterpref_core.mark_errors)
        return (
            given
            | {each.__name__: each for each in imported}
            | {
                "folder": folder,
                "model": AutoModelForCausalLM.from_pretrained(model_folder),
                "tokenizer": AutoTokenizer.from_pretrained(model_folder),
            }
        )
    return given


@pytest.mark.filterwarnings("ignore:.*pin_memory.*:UserWarning")
@pytest.mark.parametrize("name", [name for name in iterpref_core.__all__ if name != "OBJECTIVES"])  # a table
def test_examples_hold(name, model_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    public = getattr(iterpref_core, name)
    given = globals_of_example(name, model_folder, tmp_path)
    found = doctest.DocTestFinder(recurse=False).find(public, name, globs=given)
    assert any(test.examples for test in found), f"{name}: its docstring shows no example"
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for test in found:
        assert runner.run(test).failed == 0
