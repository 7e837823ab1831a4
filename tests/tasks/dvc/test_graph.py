"""DVC's graph, read and not hashed."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from dvc.repo import Repo

from iterpref_core.records import InputError, flatten, read_yaml
from tasks.dvc.graph import load_graph, survey
from tasks.dvc.observation import read_lock
from tasks.external_inputs import EXTERNAL, write_external_inputs
from tasks.profiles import write_values
from tasks.stages import report, trained_objectives
from tests.dvc_repository import init_dvc, reproduce
from tests.settings import PARAMS, ROOT


@pytest.fixture(scope="module")
def repo():
    """DVC's view of this checkout."""
    with Repo(str(ROOT)) as repo:
        yield repo


def test_the_graph_is_that_of_dvc():
    graph = load_graph(ROOT)
    assert list(load_graph(ROOT, ("pairs",))) == ["problems", "nanolab", "codeflow", "pairs"]
    assert [name for name in load_graph(ROOT, ("training",)) if "@" in name] == [
        name for name in graph if name.startswith("training@")
    ]
    assert {"validity", "training@dpo"} < set(load_graph(ROOT, ("validity", "training@dpo"))) < set(graph)
    with pytest.raises(InputError, match=r"dvc.yaml: no stage 'Pairs'; did you mean 'pairs'\?"):
        load_graph(ROOT, ("Pairs",))


@pytest.mark.parametrize("left", ["__pycache__", ".ruff_cache", ".mypy_cache"])
def test_what_tools_leave_beside_the_code_makes_no_stage_stale(repo, left):
    assert repo.dvcignore.is_ignored_dir(str(ROOT / "iterpref_core/execution/kinds" / left))


def test_stages_depend_on_what_is_outside_of_the_checkout(tmp_path, monkeypatch):
    """After an upgrade of peft, trainings are stale; each value that is written is one that a stage names."""
    monkeypatch.chdir(tmp_path)
    write_external_inputs(PARAMS)
    written = {re.sub(r"ed\..*", "ed", key) for key in dict(flatten(read_yaml(EXTERNAL)))}
    content = read_yaml(ROOT / "dvc.yaml")["stages"]
    used = {
        stage: names
        for stage, described in content.items()
        for entry in described.get("do", described).get("params", ())
        if isinstance(entry, dict) and (names := entry.get(str(EXTERNAL)))
    }
    assert {f"external.{name}" for name in ("torch", "transformers", "peft", "accelerate")} <= set(used["training"])
    assert {name for names in used.values() for name in names} == written


def test_a_new_rate_reruns_the_training_of_its_objective_alone(repo):
    readers = {}
    for stage in repo.index.stages:
        lines = {key for dep in stage.params for key in dep.params if key.startswith("training.objectives")}
        if lines:
            readers[stage.name] = lines
    assert readers == {f"training@{name}": {f"training.objectives.{name}"} for name in trained_objectives()}


def commands(root):
    with Repo(str(root)) as repo:
        return {stage.name: stage.cmd for stage in repo.index.stages}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """The present folder: one with the graph and its parameters, without git."""
    monkeypatch.chdir(tmp_path)
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy2(ROOT / name, tmp_path)
    init_dvc(no_scm=True)
    return tmp_path


def test_no_stage_reads_a_folder_that_several_write_into(repo):
    """DVC has no digest of such a folder: `dvc repro --pull` fetched nothing, and ended with an error."""
    read = {str(dep.fs_path) for dep in repo.index.deps}
    written = {str(out.fs_path) for out in repo.index.outs}
    assert written & read
    assert [path for path in read if any(Path(path) in Path(out).parents for out in written)] == []


def test_the_report_refuses_a_model_whose_results_it_does_not_wait_for(checkout):
    options = {"--base": "models/student", "--hybrid-dpo": "models/trained/hybrid-dpo"}
    with pytest.raises(InputError, match=r"dvc\.yaml: the stage report must depend on results/hybrid-dpo"):
        report.STAGE.prepare(*report.STAGE.arguments([word for option in options.items() for word in option]))


def test_a_model_joins_and_leaves_the_graph_by_its_rows(checkout):
    """One that no stage trains has a row of the evaluation alone."""
    before = commands(checkout)["report"]
    content = read_yaml(checkout / "dvc.yaml")
    content["stages"]["training"]["foreach"].remove("rpo")
    del content["stages"]["evaluation"]["foreach"]["rpo"]
    content["stages"]["report"]["deps"].remove("results/rpo")
    content["stages"]["evaluation"]["foreach"]["hybrid-dpo"] = "models/trained/hybrid-dpo"
    content["plots"] = []
    (checkout / "dvc.yaml").write_text(json.dumps(content))
    after = commands(checkout)
    assert {"training@rpo", "training@hybrid-dpo"}.isdisjoint(after)
    assert (
        after["report"] == before.replace(" --rpo models/trained/rpo", "") + " --hybrid-dpo models/trained/hybrid-dpo"
    )


def test_the_metrics_of_dvc_are_those_that_people_compare(repo):
    metrics = {str(Path(out.fs_path).relative_to(ROOT)) for out in repo.index.outs if out.metric}
    models = ("base", "debugger", "sft", "dpo", "rpo", "target-dpo", "target-rpo")
    assert metrics == {f"metrics/evaluation/{name}.pass_at_1.json" for name in models}, "each score once"


def test_what_only_a_frozen_stage_reads_is_not_brought_up_to_date(checkout):
    """As under `dvc repro`: who freezes the pairs does not pay for trajectories that nobody reads."""
    with Repo() as repo:
        repo.freeze("pairs")
    graph = load_graph()
    assert list(load_graph(targets=("localization",))) == ["pairs", "localization"]
    assert "codeflow" in graph


def test_dvc_freezes_a_stage_by_one_line(checkout):
    """DVC writes to no stage with `${…}`, and writes the whole file in its own form: dvc.yaml has that form."""
    path = checkout / "dvc.yaml"
    before = path.read_text()
    write_values({"training.beta": 0.3}, checkout / "params.yaml")  # has its own form, which is that of no other file
    names = ("problems", "nanolab", "validity", "codeflow", "pairs", "localization")
    with Repo() as repo:
        for name in names:
            repo.freeze(name)
    frozen = path.read_text()
    assert frozen.count("    frozen: true\n") == len(names)
    assert frozen.replace("    frozen: true\n", "") == before


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("stages: [", "dvc.yaml:1:10: not valid YAML"),
        ("stages: {a: {cmdd: x}}", "validation failed: 2 errors; `dvc status` says more"),
    ],
)
def test_a_broken_graph_is_told_by_its_place(checkout, text, told):
    (checkout / "dvc.yaml").write_text(text)
    with pytest.raises(InputError) as refused:
        load_graph(checkout)
    assert told in str(refused.value)
    assert "dvc init" not in str(refused.value)


def test_a_lock_that_a_killed_command_has_left_half_written_is_told(toy_checkout):
    toy_checkout({"only": {"cmd": "touch out", "outs": ["out"]}})
    reproduce()
    Path(".dvc/tmp/rwlock").write_text("{")
    with pytest.raises(InputError, match="remove it when no other one runs"):
        survey()


def test_a_name_of_a_file_that_dvc_cannot_keep_is_told(toy_checkout):
    """DVC's database of digests has texts, and a name from an older system need not be one."""
    folder = toy_checkout({"only": {"cmd": "ls given > out", "deps": ["given"], "outs": ["out"]}})
    Path("given").mkdir()
    Path(os.fsdecode(b"given/caf\xe9.jsonl")).touch()
    with pytest.raises(InputError, match=f"^{folder}/given/caf\udce9.jsonl: DVC takes .*; rename the file$"):
        survey()


def test_stages_of_two_graphs_may_have_one_name(toy_checkout, tmp_path):
    """The second one was never run, without a word."""
    folder = toy_checkout({"report": {"cmd": "echo a > a", "outs": ["a"]}})
    (folder / "extra").mkdir()
    stages = {"stages": {"report": {"cmd": "cat ../a > b", "deps": ["../a"], "outs": ["b"]}}}
    (folder / "extra/dvc.yaml").write_text(json.dumps(stages))
    graph = load_graph()
    assert graph == {"report": (), "extra/dvc.yaml:report": ("report",)}
    assert survey().stale == set(graph)
    reproduce(*graph)
    assert survey().stale == set()
    assert set(read_lock()) == set(graph)
    assert load_graph(folder) == graph, "from elsewhere"


def test_a_folder_of_the_checkout_and_one_without_git_say_what_to_do(toy_checkout, monkeypatch):
    folder = toy_checkout({"report": {"cmd": "echo a > a", "outs": ["a"]}})
    (folder / "extra").mkdir()
    shutil.copy2("dvc.yaml", "extra")
    monkeypatch.chdir("extra")
    with pytest.raises(InputError, match=f"cd {folder}$"):
        survey()
    monkeypatch.chdir(folder)
    shutil.rmtree(".git")
    with pytest.raises(InputError, match=r"`git clone` makes, or here after `git init`"):
        survey()
