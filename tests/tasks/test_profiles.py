"""Profiles change values and nothing else."""

import json
import shutil
from pathlib import Path

import pytest

from iterpref_core.records import ConfigError, load_params, parse_yaml, profile_values, read_yaml
from iterpref_core.training.objectives.objective_settings import settings_of
from tasks.profiles import write_params, write_values
from tests.settings import ROOT

PROFILES = ROOT / "config/profiles"
NAMES = sorted(path.stem for path in PROFILES.glob("*.yaml"))
RATES = {
    ("nano", "nano-large", "tiny", "smollm2"): ((5e-6, 0.0), (3e-4, 20.0)),
    ("paper", "small", "own"): ((1e-5, 0.0), (1e-5, 1.0)),
    ("paper-large", "authors-code"): ((5e-6, 0.0), (5e-6, 1.0)),
    ("own-lora",): ((1e-4, 0.0), (1e-4, 1.0)),
    ("stand-in",): ((5e-5, 0.0), (5e-4, 1.0)),
}
"""Learning rate and alpha of objectives, without and with NLL."""


@pytest.fixture
def params(tmp_path, monkeypatch):
    """The file of a folder that has the profiles."""
    monkeypatch.chdir(tmp_path)
    shutil.copy2(ROOT / "dvc.yaml", ".")
    Path("config").symlink_to(ROOT / "config")
    return Path(shutil.copy2(ROOT / "params.yaml", tmp_path))


def comments(text):
    return [line.partition("#")[2] for line in text.splitlines() if "#" in line]


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_has_its_rates_nano_undoes_it_and_comments_stay(params, name):
    original = params.read_text()
    write_params(name, {})
    found = load_params(params)
    assert found.profile == name
    if found.model.student != "nanolab" and name not in ("stand-in", "smollm2"):  # whose programs are short
        assert found.codeflow.max_new_tokens >= 512
        assert found.evaluation.max_new_tokens is None
    assert profile_values("nano").keys() <= profile_values(name).keys(), "another profile would leave its value"
    assert comments(params.read_text()) == comments(original)
    (rates,) = [rates for names, rates in RATES.items() if name in names]
    for objective, expected in zip(("dpo", "target-rpo"), rates, strict=True):
        settings = settings_of(objective, found.training)
        assert (settings.learning_rate, settings.alpha) == expected, objective
    write_params("nano", {})
    assert read_yaml(params) == parse_yaml(original), f"nano.yaml lacks a value that {name} changes, or has an old one"


def test_only_lines_whose_values_change_are_written(params):
    def lines():
        return [" ".join(line.split()) for line in params.read_text().splitlines()]

    before = lines()
    assert (
        "base_url: null # for openai, such as https://api.openai.com/v1; its key is OPENAI_API_KEY in the environment"
        in before
    )
    assert write_params("nano", {}) == ([], [])
    assert params.read_bytes() == (ROOT / "params.yaml").read_bytes()
    changed, _ = write_params("tiny", {"inference.base_url": "http://x/v1"})
    assert len(set(lines()) - set(before)) <= len(changed) < 30
    write_params("nano", {"inference.base_url": None})
    assert lines() == before


def test_a_value_that_is_optional_can_be_created(params):
    assert write_values({"training.lora.r": 8}, params) == ["training.lora.r: 8, which is new"]
    assert load_params(params).training.lora == {"r": 8}


def test_a_value_of_all_objectives_is_written_into_each_line_that_has_it(params):
    changes = write_values({"training.alpha": 2.0, "training.objectives.rpo.alpha": 1.0}, params)
    assert changes[0] == "training.objectives.sft.alpha: 20.0 → 2.0"
    assert "    sft: {learning_rate: 3.0e-4, alpha: 2.0}\n" in params.read_text()
    lines = load_params(params).training.objectives
    assert {name: line.alpha for name, line in lines.items() if line.alpha not in (None, 2.0)} == {"rpo": 1.0}
    assert len(changes) == sum(line.alpha is not None for line in lines.values()) == 6


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a", {"base": "b"}, r"a has a base with a base of its own: name nano, or state the values"),
        ("c", {"base": "absent"}, r"no profile 'absent'; there are b, c"),
        ("huge", None, r"no profile 'huge'"),
        ("a", {"training": {"betta": 0.2}}, r"training\.betta: no parameter 'betta'; did you mean 'training.beta'"),
        ("a", {"training": {"beta": -1}}, r"^training\.objectives\.dpo\.beta: input [\w ]+ \(got -1\)$"),
    ],
)
def test_a_bad_profile_changes_nothing(params, tmp_path, monkeypatch, name, content, message):
    original = params.read_bytes()
    monkeypatch.setattr("tasks.profiles.PROFILES", tmp_path)
    if content is not None:
        (tmp_path / f"{name}.yaml").write_text(json.dumps(content))
    (tmp_path / "b.yaml").write_text("base: nano\n")
    with pytest.raises(ConfigError, match=message):
        write_params(name, {})
    assert params.read_bytes() == original
