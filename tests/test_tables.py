"""The tables of benchmarks and backends: a row gives everything, and a row without its part is named in a sentence."""

import json
import sys
import tomllib
from contextlib import nullcontext
from importlib import import_module
from inspect import signature
from types import SimpleNamespace
from typing import get_args

import pytest

from iterpref_core.evaluation.evaluation.model_evaluation import evaluate_model
from iterpref_core.execution.protocol.programs import Limits
from iterpref_core.execution.running.engine_factory import limits_of
from iterpref_core.models.inference.backend import Completion, Model
from iterpref_core.models.inference.backend_factory import leaves_this_machine, open_model
from iterpref_core.models.pretrained.fingerprint import model_fingerprint
from iterpref_core.pairs.localization.localization import localize, mark_errors
from iterpref_core.pairs.selection.pair_selection import screened_params
from iterpref_core.problems.screening.contamination import Decontamination
from iterpref_core.records import (
    BACKENDS,
    BENCHMARKS,
    PUBLISHED,
    BackendRow,
    BudgetParams,
    ConfigError,
    EvaluationParams,
    IoTest,
    Problem,
    PromptFormat,
    config,
)
from iterpref_core.storage.jsonl import write_jsonl
from tests.settings import PARAMS, ROOT, changed, section

OWN = "heldout"
"""The suite whose tasks are this project's problems; they are screened as `pairs.benchmarks` says."""


def test_every_benchmark_is_opened_by_the_folder_that_its_row_names():
    folder = ROOT / "iterpref_core/evaluation/benchmarks"
    missing = {name: row.suite for name, row in BENCHMARKS.items() if not (folder / row.suite / "suite.py").is_file()}
    assert not missing, f"write {folder}/<suite>/suite.py with `open_suite(name, setting)` for {missing}"
    idle = {path.parent.name for path in folder.glob("*/suite.py")} - {row.suite for row in BENCHMARKS.values()}
    assert not idle, (
        f"no benchmark is of {sorted(idle)}: add rows to BENCHMARKS in iterpref_core/records/benchmark_table.py"
    )


@pytest.mark.parametrize("name", BENCHMARKS)
def test_pairs_are_screened_against_a_benchmark_that_is_measured(name, tmp_path, monkeypatch):
    row = BENCHMARKS[name]
    if row.suite == OWN:
        return
    assert row.data is not None, f"{name}: pairs would not be screened against it; name the data of its tasks"
    screened = screened_params(changed(PARAMS, evaluation=changed(PARAMS.evaluation, benchmarks=(name,))))
    assert row.data.key in screened.benchmarks

    fields = (*row.data.prompts, *row.data.solutions)
    task = dict.fromkeys(fields, "Add up the numbers.") | {row.data.task_id: "the id"}
    copy = tmp_path / "tasks.jsonl"
    copy.write_text(json.dumps(task))
    monkeypatch.setenv(row.data.variable, str(copy))
    screen = Decontamination([row.data.key], tmp_path)
    assert screen.overlaps[row.data.key].tasks == 1
    prompts = "; ".join(row.data.prompts)
    assert screen._wholes.keys() == {"addupthenumbers"}, f"{row.data.key}: the fields {prompts} are not read"


def test_data_have_a_key_and_a_variable_of_their_own():
    different = {row.data for row in BENCHMARKS.values() if row.data is not None}
    variables = [data.variable for data in different]
    assert len(set(variables)) == len(variables), f"two data sets share an environment variable: {variables}"
    assert different == set(PUBLISHED.values()), "two data sets share a key"


def test_parameters_and_the_report_know_every_benchmark():
    assert get_args(config.BenchmarkName) == tuple(BENCHMARKS)
    schema = EvaluationParams.model_json_schema()
    assert schema["properties"]["benchmarks"]["items"]["enum"] == list(BENCHMARKS)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_backend_is_opened_by_the_module_that_its_row_names_and_its_packages_are_an_extra(name):
    row = BACKENDS[name]
    module = import_module(f"iterpref_core.models.inference.{row.module}")
    assert callable(module.open_backend), f"{name}: write `open_backend(settings)` in {module.__name__}"
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert row.extra in extras, f"{name}: pyproject.toml has no extra {row.extra!r}"


@pytest.mark.parametrize("name", [name for name, row in BACKENDS.items() if not row.local])
def test_a_backend_without_weights_has_a_cap_and_a_guard(name, monkeypatch):
    monkeypatch.setenv(config.KEY_VARIABLE, "a-key")
    assert_guarded_and_capped(name)


class Echo(Model):
    """Answers with a program that returns its argument."""

    concurrency = 1

    async def answer(self, request, sampling):
        del request, sampling
        return Completion("```python\ndef f(x):\n    return x\n```", 1, 1)


@pytest.fixture
def echo(monkeypatch):
    """A new engine of one file and one row."""

    def add(**row):
        made = SimpleNamespace(open_backend=lambda _: nullcontext(Echo()))
        monkeypatch.setitem(sys.modules, "iterpref_core.models.inference.echo_model", made)
        row = {"checkpoint": False, "in_process": False, "extra": "endpoints"} | row
        monkeypatch.setitem(BACKENDS, "echo", BackendRow("echo_model", **row))

    return add


def test_a_row_alone_gives_a_new_backend_a_cap_and_a_guard(echo):
    echo(local=False)
    assert_guarded_and_capped("echo")


@pytest.mark.parametrize("in_process", [True, False])
def test_a_row_and_a_file_alone_make_an_engine_for_a_model_of_another_format(echo, tmp_path, monkeypatch, in_process):
    """Its model is one file, such as a GGUF, that no checkpoint's check reads."""
    echo(local=True, in_process=in_process)
    monkeypatch.chdir(tmp_path)
    model = tmp_path / "coder.gguf"
    model.write_bytes(b"GGUF")
    test = IoTest(call="f(2)", expected="2")
    problem = Problem(task_id="h/same", prompt="Return x.", entry_point="f", tests=(test,), split="heldout")
    write_jsonl(tmp_path / "problems.jsonl", [problem])
    evaluation = changed(PARAMS.evaluation, backend="echo", benchmarks=("heldout",))
    params = changed(PARAMS, evaluation=evaluation)
    files = {name: tmp_path / name for name in ("cache", "out", "answers", "problems.jsonl")}
    results = evaluate_model(params, "coder", model=str(model), problems=files.pop("problems.jsonl"), **files)
    assert results.measured["heldout"].pass_at_1 == 1.0
    assert results.weights == model_fingerprint(model)


def assert_guarded_and_capped(name):
    far = settings(name, base_url="https://models.example/v1", price=0)
    assert leaves_this_machine(far), f"{name}: private prompts would go to another machine without a look"
    assert not leaves_this_machine(settings(name, base_url="http://127.0.0.1:9/v1", price=0))
    capped = section(BudgetParams, calls=None, tokens=None, dollars=1.0)
    with (
        pytest.raises(ConfigError, match=r"budget\.dollars caps nothing"),
        open_model("model", PromptFormat(), far, capped, None),
    ):
        pass


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("target_dpo.beta", "training.objectives: no objective 'target_dpo'; did you mean 'target-dpo'?"),
        ("dpo.bta", "training.objectives.dpo.bta: no parameter 'bta'; did you mean 'training.objectives.dpo.beta'?"),
        ("dpo.qqq", "training.objectives.dpo.qqq: no parameter 'qqq'; there are learning_rate, alpha, beta"),
    ],
)
def test_an_unknown_objective_is_refused_where_parameters_are_read(key, message):
    """A name with an underscore changed nothing, and ended with 0."""
    with pytest.raises(ConfigError) as refused:
        config.with_values(PARAMS, {f"training.objectives.{key}": 0.3})
    assert str(refused.value).startswith(message)


def test_defaults_of_the_library_are_the_values_of_params_yaml():
    """A script that wrote `Executor(Limits())` judged otherwise than `iterpref execute`."""
    assert Limits() == limits_of(PARAMS.execution)
    assert PromptFormat() == PARAMS.model.student_format
    for function in (localize, mark_errors):
        assert signature(function).parameters["method"].default == PARAMS.localization.method


def test_an_unknown_backend_is_refused_with_the_known_ones():
    *others, last = map(repr, BACKENDS)
    with pytest.raises(ConfigError, match=f"input should be {', '.join(others)} or {last}"):
        config.with_values(PARAMS, {"inference.backend": "olama"})


def settings(backend, *, base_url, price):
    # A copy is not checked, so that a row which a test adds need not be one of the type's names.
    prices = {"price_prompt": price, "price_completion": price}
    return changed(PARAMS.inference, backend=backend, base_url=base_url, **prices)
