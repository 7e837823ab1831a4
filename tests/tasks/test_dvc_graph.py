"""DVC's graph, read and not hashed."""

import re

import pytest
import yaml

from iterpref_core.errors import InputError
from tasks.dvc_graph import load_graph, select_stages
from tests.settings import ROOT


@pytest.fixture(scope="module")
def graph() -> dict:  # type: ignore[type-arg]
    return load_graph(ROOT)


def test_the_graph_is_that_of_dvc(graph: dict) -> None:  # type: ignore[type-arg]
    assert len(graph) == 19
    assert list(select_stages(graph, ("pairs",))) == ["problems", "nanolab", "codeflow", "pairs"]
    assert [name for name in select_stages(graph, ("training",)) if "@" in name] == [
        name for name in graph if name.startswith("training@")
    ]
    assert {name.partition("@")[0] for name in graph if graph[name].accelerated} == {
        "nanolab", "validity", "codeflow", "training", "evaluation",
    }  # fmt: skip
    with pytest.raises(InputError, match="no stage 'traning'"):
        select_stages(graph, ("traning",))


def test_versions_of_libraries_are_dependencies() -> None:
    """After an upgrade of peft, trainings are stale: the versions are those of the lock, and stages depend on them."""
    versions = yaml.safe_load((ROOT / "environments/versions.yaml").read_text(encoding="utf-8"))
    lock = dict(re.findall(r"(?m)^([\w-]+)==(\S+)$", (ROOT / "requirements.lock").read_text(encoding="utf-8")))
    assert versions == {name: lock[name] for name in versions}, "make lock"
    content = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    used = {
        stage: libraries
        for stage, described in content.items()
        for entry in described.get("do", described).get("params", ())
        if isinstance(entry, dict) and (libraries := entry.get("environments/versions.yaml"))
    }
    assert {"torch", "transformers", "peft", "accelerate"} <= set(used["training"])
    assert {name for names in used.values() for name in names} == set(versions)
