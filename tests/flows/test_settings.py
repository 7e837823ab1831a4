"""Where settings come from: params.yaml, a file of one's own, --set, or else the values for one's own model."""

import shutil
from pathlib import Path

import pytest

from iterpref_core.records import BENCHMARKS, load_params
from tests.mock_endpoint import Behavior, MockEndpoint, serve
from tests.settings import ROOT
from tests.texts import PAIR, read_table, written

LOCALIZE = ("localize", "--pairs", "pairs.jsonl", "--out", "o.jsonl")


@pytest.fixture(autouse=True)
def _pairs(iterpref):
    written(Path("pairs.jsonl"), PAIR)


def test_without_a_file_they_are_those_of_the_profile_own(iterpref):
    found = load_params()
    assert (found.profile, found.codeflow.wording, found.evaluation.max_new_tokens) == ("own", "instruct", None)
    assert (found.training.nll, found.training.answer) == ("sum", "fenced")
    assert found.training.objectives["sft"].model_dump() == {"learning_rate": 1e-5, "alpha": 1.0}
    assert iterpref(*LOCALIZE)[2] == "settings: defaults, profile own\n"
    shutil.copy2(ROOT / "params.yaml", ".")
    assert iterpref(*LOCALIZE)[2] == "settings: params.yaml, profile nano\n"


def test_a_file_has_the_values_that_differ_and_set_comes_before_it(iterpref):
    Path("mine.yaml").write_text("profile: mine\nlocalization: {empty: drop, method: token}\ntraining.beta: 0.2\n")
    code, _, err = iterpref(*LOCALIZE, "--params", "mine.yaml", "--set", "localization.method=line_lcs")
    assert (code, err) == (0, "settings: defaults, mine.yaml, profile mine\n")
    assert '"localization":"line_lcs"' in Path("o.jsonl").read_text()
    ingest = ("ingest", "pairs.jsonl", "--format", "trl", "--out", "pairs/mine.jsonl", "--params", "mine.yaml")
    assert iterpref(*ingest)[0] == 0
    Path("mine.yaml").write_text("localization: {emty: drop}\n")
    code, _, err = iterpref(*LOCALIZE, "--params", "mine.yaml")
    assert (code, "did you mean 'localization.empty'?" in err) == (2, True), err


@pytest.mark.parametrize(
    ("text", "key"),
    read_table("""
{training: {beta: 0.3}, training.beta: 0.4} | training.beta
{training: {objectives.sft.alpha: 1.0, objectives: {sft: {alpha: 1.0}}}} | training.objectives.sft.alpha
{training.lora.r: 8, training: {lora: null}} | training.lora
"""),
)
def test_two_forms_of_a_key_in_one_file_are_refused(iterpref, text, key):
    Path("mine.yaml").write_text(text)
    code, _, err = iterpref(*LOCALIZE, "--params", "mine.yaml")
    assert (code, f"mine.yaml: {key}: has two values, in two forms; keep one" in err) == (2, True), err


@pytest.mark.parametrize(
    ("key", "named"),
    read_table(r"""
training.lr | training.learning_rate
training.learning_rte | training.learning_rate
lr | training.learning_rate
learning_rate | training.learning_rate
per_device_train_batch_size | training.micro_batch_size
training.num_train_epochs | training.epochs
max_new_tokens | evaluation.max_new_tokens
evaluation.n_samples | evaluation.samples
"""),
)
def test_a_misspelt_or_foreign_key_names_the_one_that_is_meant(iterpref, key, named):
    code, _, err = iterpref(*LOCALIZE, "--set", f"{key}=1")
    assert (code, f"no parameter {key.split('.')[-1]!r}" in err, repr(named) in err) == (2, True, True), err


@pytest.mark.parametrize("profile", ["own", "nano"])
def test_a_model_that_is_not_embedded_gets_one_warning_about_values_of_nano(iterpref, profile):
    if profile == "nano":
        shutil.copy2(ROOT / "params.yaml", ".")
    problem = {"task_id": "a", "prompt": "Add.", "entry_point": "f", "split": "heldout", "tests": []}
    written(Path("p.jsonl"), problem | {"tests": [{"kind": "assert", "code": "assert f(1) == 2"}]})
    mock = MockEndpoint(lambda *_: "```python\ndef f(x):\n    return x + 1\n```", Behavior())
    with serve(mock) as url:
        served = ("--model", "coder", "--backend", "openai", "--base-url", url)
        code, _, err = iterpref("evaluate", "--benchmark", "heldout", "--problems", "p.jsonl", *served, "--out", "r")
    assert code == 0, err
    assert err.count("iterpref init --profile own") == (profile == "nano")


def test_each_benchmark_has_the_limit_of_its_own_runner():
    limits = {name: row.max_new_tokens for name, row in BENCHMARKS.items()}
    assert limits["heldout"] == 1024
    assert {limits[name] for name in ("humaneval", "humaneval+", "mbpp", "mbpp+")} == {768}
    assert limits["bigcodebench-full-complete"] == 1280
    assert limits["livecodebench"] == 2000
