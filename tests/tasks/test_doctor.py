"""What the doctor says of models, endpoints and MLflow; and what `init` writes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from iterpref_core.problems.own_code.environments import remember_environment
from iterpref_core.records import EnvironmentParams, InputError, IterPrefError, load_params, with_values
from tasks import doctor
from tasks.doctor import examine_models
from tasks.dvc.storage import check_storage
from tasks.early_checks import refusals
from tasks.git.command import git
from tests.dvc_repository import init_dvc
from tests.flows.conftest import iterpref
from tests.settings import PARAMS, ROOT

__all__ = ["iterpref"]

REMOTE = "[core]\n  remote = r\n['remote \"r\"']\n  url = ../none\n"


def found(values):
    return {item.name: item for item in examine_models(with_values(PARAMS, values))}


def test_a_model_that_is_here_is_found_and_another_is_missing_with_its_remedy(word_model):
    name = str(word_model)
    assert {item.status for item in found({"model.student": name, "model.debugger": name}).values()} == {"ok"}
    assert found({"model.debugger": name, "inference.backend": "vllm"})["model: debugger"].status == "ok"
    absent = found({"model.student": "/absent/model"})["model: student"]
    assert (absent.status, "/absent/model" in absent.detail) == ("missing", True)


def test_a_package_that_cannot_be_imported_is_a_finding(monkeypatch):
    """A broken `peft` was a traceback with training.lora, and without it nothing until the first training."""
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith("iterpref_core.training.")]:
        monkeypatch.delitem(sys.modules, name)
    absent = doctor._probe("accelerator", doctor._find_accelerator, "absent")
    *_, training = doctor._versions()
    for told in (absent, training):
        assert (told.status, "torch" in told.detail, told.detail.endswith("&& make install")) == ("missing", True, True)
    lora = {"training.lora": {"r": 4}}
    assert any("torch" in message for _, message in refusals(["training@sft"], with_values(PARAMS, lora)))


def test_in_a_folder_that_is_no_checkout_all_else_is_examined_and_nothing_is_written(tmp_path, iterpref):
    code, _, told = iterpref("ui")
    assert (code, f"no dvc.yaml in {tmp_path}: cd {ROOT};" in told) == (2, True)
    found = {item.name: item for item in doctor.examine(PARAMS)}
    assert [name for name, item in found.items() if item.status == "missing"] == ["experiment"]
    assert f"cd {ROOT}" in found["experiment"].detail
    assert {"isolation", "accelerator"} <= found.keys()
    assert list(tmp_path.iterdir()) == []


def test_digests_are_kept_where_no_other_user_can_plant_code(tmp_path, monkeypatch):
    """DVC's own place is open to every user of the machine, and holds pickles."""
    code = "from tasks.dvc.graph import Path, opened_repo\nwith opened_repo(Path()) as repo: print(repo.site_cache_dir)"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "mine"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("DVC_SITE_CACHE_DIR")
    init_dvc(no_scm=True)
    used = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert used.startswith(str(tmp_path / "mine/dvc/site"))
    monkeypatch.setattr(doctor, "CHOSEN_SITE_CACHE", None)
    with pytest.raises(IterPrefError, match=r"dvc config --global core\.site_cache_dir /"):
        doctor._find_site_cache()
    (tmp_path / ".dvc/config.local").write_text("[core]\n    site_cache_dir = /mine\n")
    assert doctor._find_site_cache() == "/mine"


def test_an_endpoint_that_is_away_is_told():
    values = {"inference.backend": "openai", "inference.base_url": "http://127.0.0.1:9/v1", "model.debugger": "coder"}
    away = found(values | {"inference.price_prompt": 0.1})["endpoint"]
    assert away.status == "absent"
    assert away.detail.startswith("no list of models at http://127.0.0.1:9/v1/models")


def test_versions_are_those_of_the_lock_or_named(monkeypatch):
    monkeypatch.setattr("tasks.external_inputs.version", lambda _: "0.0.1+cpu")
    (_, packages, _) = doctor._versions()
    assert (packages.status, "torch 0.0.1 instead of " in packages.detail) == ("absent", True)


def test_init_writes_a_profile_with_models_and_values(iterpref):
    Path("config").symlink_to(ROOT / "config")
    shutil.copy2(ROOT / "params.yaml", ".")
    code, out, _ = iterpref("init", "--model", "some/model", "--debugger", "other/model", "--set", "training.beta=0.3")
    assert (code, "params.yaml: profile own" in out) == (0, True)
    written = load_params()
    beta = written.training.objectives["dpo"].beta
    assert (written.profile, written.model.student, beta) == ("own", "some/model", 0.3)
    code, out, _ = iterpref("init", "--set", "training.epochs=9")
    assert (code, "training.epochs: 3 → 9" in out, "model.student: some/model stays" in out) == (0, True, True)
    iterpref("init", "--profile", "own-lora")
    written = load_params()
    assert (written.profile, written.training.lora) == ("own-lora", {"r": 16, "lora_alpha": 32})
    assert (written.model.student, written.model.debugger, written.training.epochs) == ("some/model", "other/model", 9)
    iterpref("init", "--profile", "own", "--set", "training.epochs=2")
    written = load_params()
    assert (written.training.epochs, written.training.lora, written.model.student) == (2, None, "some/model")
    code, out, _ = iterpref("init", "--set", "training.epochs=2")
    assert (code, "0 values changed" in out) == (0, True)


def test_init_adds_the_environments_of_projects_and_a_change_of_the_profile_keeps_them(iterpref, tmp_path):
    (tmp_path / "config").symlink_to(ROOT / "config")
    shutil.copy2(ROOT / "params.yaml", ".")
    for name in ("shop", "depot"):
        (tmp_path / name).mkdir()
        code, _, told = iterpref("init", "--environment", f"{name}={sys.executable}:{tmp_path / name}")
        assert code == 0, told
    # `ingest` has left this one beside the experiment's problems.
    remember_environment(Path("problems"), "yard", EnvironmentParams(python=sys.executable, paths=(str(tmp_path),)))
    assert iterpref("init", "--profile", "own")[0] == 0
    environments = load_params().execution.environments
    assert {name: (each.python, each.paths[0]) for name, each in environments.items()} == {
        **{name: (sys.executable, str(tmp_path / name)) for name in ("shop", "depot")},
        "yard": (sys.executable, str(tmp_path)),
    }
    code, _, told = iterpref("init", "--environment", "shop")
    assert (code, "not NAME=PYTHON:FOLDER" in told) == (2, True)


@pytest.mark.parametrize(
    ("harm", "name", "told"),
    [
        (lambda: Path(".dvc/config.local").write_text("[core"), "experiment", "config.local"),
        (lambda: Path("dvc.lock").write_text("schema: '2.0'\nstages: {problems: {cmd: "), "experiment", "or remove it"),
        (lambda: Path("problems/mine.jsonl").write_text("{"), "problems", "mine.jsonl"),
        (lambda: shutil.rmtree(".git"), "experiment", "git"),
        (lambda: Path("code.py").unlink(), "inputs of stages", "code.py: is not here, and the stage problems reads it"),
        (lambda: Path(".dvc/config").write_text(REMOTE), "DVC's remote", "none"),
        (lambda: git("update-index", "--skip-worktree", "params.yaml"), "git", "params.yaml"),
    ],
)  # fmt: skip
def test_what_would_fail_after_the_work_is_a_finding(harm, name, told, toy_checkout, monkeypatch):
    toy_checkout({"problems": {"cmd": "true", "deps": ["code.py"], "outs": ["out"]}}, {"code.py": ""})
    Path("problems").mkdir()
    harm()
    for slow in ("_isolation", "_versions"):
        monkeypatch.setattr(doctor, slow, lambda *_: ())
    monkeypatch.setattr(doctor, "examine_services", lambda: [doctor.Diagnosis("MLflow", "")])
    found = {item.name: item for item in doctor.examine(PARAMS)}
    assert "MLflow" in found
    assert found[name].status != "ok", found[name]
    assert told in found[name].detail


def test_a_cache_or_a_lock_that_dvc_cannot_write_is_refused_before_the_work(toy_checkout, monkeypatch):
    toy_checkout({"problems": {"cmd": "true", "outs": ["out"]}})
    assert "MB free" in check_storage(PARAMS)
    free = shutil.disk_usage(".")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: free._replace(free=12 << 20))
        with pytest.raises(InputError, match="12 MB are free, and the results need about 200 MB"):
            check_storage(PARAMS)
    Path("dvc.lock").touch()
    for place, told in (("files/md5/4f", "cache.shared group"), ("dvc.lock", "no result would be recorded")):
        if place != "dvc.lock":
            Path(".dvc/cache", place).mkdir(parents=True)
        with monkeypatch.context() as patch:
            patch.setattr(os, "access", lambda path, _, place=place: not str(path).endswith(place))
            with pytest.raises(InputError, match=told):
                check_storage(PARAMS)
