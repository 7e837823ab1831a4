"""What the doctor says of models, endpoints and MLflow; and what `init` writes."""

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from iterpref_core.records.config import load_params, with_values
from tasks import doctor
from tasks.doctor import Diagnosis, examine_configuration
from tests.flows.conftest import iterpref
from tests.settings import ROOT

__all__ = ["iterpref"]

PARAMS = load_params(ROOT / "params.yaml")


def found(**values: object) -> dict[str, Diagnosis]:
    chosen = {name.replace("__", "."): value for name, value in values.items()}
    return {item.name: item for item in examine_configuration(with_values(PARAMS, chosen))}


def test_a_student_that_debugs_itself_without_a_template_beyond_its_length_is_told(word_model: Path) -> None:
    config = word_model / "config.json"
    longest = json.loads(config.read_text())["max_position_embeddings"]
    name = str(word_model)
    odd = found(model__student=name, model__debugger=name, training__max_length=longest + 1)
    assert "the same as the student" in odd["model: debugger"].detail
    assert found(model__debugger=name, inference__backend="vllm")["model: debugger"].status == "ok"
    assert "no" in odd["model: template"].detail
    assert odd["training.max_length"].status == "absent", "only pairs that are too long are refused"
    assert f"training.max_length allows {longest + 1} tokens" in odd["training.max_length"].detail
    assert f"lower training.max_length to {longest} and training.max_prompt_length" in odd["training.max_length"].remedy
    assert odd["memory to train"].status == "ok"
    plain = found(
        model__student=name, model__prompt="plain", training__max_length=longest, training__max_prompt_length=8
    )
    assert {item.status for item in plain.values()} == {"ok"}


def test_an_extra_that_is_not_installed_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "_installed_version", lambda name: None if name in ("torch", "ray") else "1")
    training, ray = doctor.examine_extras(PARAMS)
    assert (training.name, training.status, training.detail) == ("extra: training", "missing", "not installed: torch")
    assert (ray.name, ray.status) == ("extra: ray", "absent"), "programs run on this machine"
    assert training.remedy == "python -m pip install -e '.[training]'"
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert any(name.startswith("torch") for name in extras["training"])
    monkeypatch.chdir(ROOT)
    assert doctor.examine(PARAMS)[-1] == ray, "what needs torch to be looked at is not"


def test_in_a_folder_that_is_no_checkout_all_else_is_examined_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = {item.name: item for item in doctor.examine(PARAMS)}
    assert [name for name, item in found.items() if item.status == "missing"] == ["experiment"]
    assert f"cd {ROOT}" in found["experiment"].remedy
    assert found["packages"].detail.endswith("as in requirements.lock") or found["packages"].remedy
    assert {"isolation", "memory", "disk"} <= found.keys()
    assert list(tmp_path.iterdir()) == []


def test_the_remedies_that_are_commands_of_ours_work(
    iterpref: Callable[..., tuple[int, str, str]], word_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "profiles").symlink_to(ROOT / "profiles")
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    code, _, err = iterpref("init", "--model", word_model, "--debugger", word_model, "--set", "training.epochs=7")
    assert code == 0, err
    monkeypatch.setattr(doctor, "_memory_gb", lambda: 0.0)
    tried = set()
    for _ in range(3):
        found = examine_configuration(load_params(tmp_path / "params.yaml"))
        for item in found:
            command = re.search(r"iterpref (init --(?:set|profile) [\w.=-]+)", item.remedy)
            if command:
                code, _, err = iterpref(*command[1].split())
                assert code == 0, err
                tried.add(item.name)
    assert tried == {"memory to train"}
    assert not {item.name for item in found if item.status != "ok"} & tried
    written = load_params(tmp_path / "params.yaml")
    assert (written.model.student, written.model.debugger) == (str(word_model), str(word_model))
    assert (written.profile, written.training.epochs) == ("own-lora", 7)


def test_an_endpoint_that_is_away_is_told() -> None:
    away = found(
        inference__backend="openai", inference__base_url="http://127.0.0.1:9/v1", model__debugger="coder",
        inference__price_prompt=0.1,
    )["model: debugger"]  # fmt: skip
    assert (away.status, away.detail.endswith("no list of models")) == ("absent", True)


@pytest.mark.parametrize("version", [(3, 11, 9), (3, 12, 4), (3, 13, 1)])
def test_every_python_that_is_allowed_is_fine(version: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(doctor.sys, "version_info", version)
    assert not [item for item in doctor._versions() if item.status == "missing"]


def test_an_mlflow_that_is_away_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    (told,) = [item for item in doctor.examine_services() if item.name == "MLflow"]
    assert (told.status, "does not answer" in told.detail) == ("absent", True)


def test_init_writes_a_profile_with_models_and_values(
    iterpref: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "profiles").symlink_to(ROOT / "profiles")
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    code, out, _ = iterpref("init", "--model", "some/model", "--debugger", "other/model", "--set", "training.beta=0.3")
    assert (code, "params.yaml: profile own" in out) == (0, True)
    written = load_params(tmp_path / "params.yaml")
    assert (written.profile, written.model.student, written.training.beta) == ("own", "some/model", 0.3)
    code, out, _ = iterpref("init", "--set", "training.epochs=9")
    assert (code, "training.epochs" in out, "model.student: some/model stays" in out) == (0, True, True)
    code, out, _ = iterpref("init", "--profile", "own-lora")
    written = load_params(tmp_path / "params.yaml")
    assert (code, written.profile, written.training.lora) == (0, "own-lora", {"r": 16, "lora_alpha": 32})
    assert (written.model.student, written.model.debugger) == ("some/model", "other/model")
    assert (written.training.epochs, written.training.beta) == (9, 0.3)
    code, out, _ = iterpref("init", "--model", "third/model")
    assert (code, load_params(tmp_path / "params.yaml").profile) == (0, "own-lora")
