"""Files that a host of repositories, an editor and git's hooks read: they are valid, and do what the Makefile does."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from iterpref_core.execution.isolation import IN_A_CONTAINER
from tests.packaging.test_declared_imports import PROJECT
from tests.settings import ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
WORKFLOW = ROOT / ".github/workflows/checks.yaml"
SCHEMAS = {
    "citation-file-format": [ROOT / "CITATION.cff"],
    "github-issue-forms": sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yaml")),
    "github-workflows": sorted((ROOT / ".github/workflows").glob("*")),
}


def load(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_file_is_what_its_format_asks_for(schema: str) -> None:
    assert SCHEMAS[schema]
    checker = Path(sys.executable).with_name("check-jsonschema")
    command = [checker, "--builtin-schema", f"vendor.{schema}", *SCHEMAS[schema]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflow_runs_what_ci_runs_on_every_python_that_is_allowed() -> None:
    tests = load(WORKFLOW)["jobs"]["tests"]
    assert tests["steps"][-1] == {"run": ".ci/run"}
    assert (ROOT / ".ci/run").stat().st_mode & 0o111
    assert tests["env"]["PYTHON"] == "python${{ matrix.python }}"
    assert "\nPYTHON ?= " in MAKEFILE
    allowed = SpecifierSet(PROJECT["requires-python"])
    assert tests["strategy"]["matrix"]["python"] == [f"3.{minor}" for minor in range(40) if f"3.{minor}" in allowed]


def test_the_workflow_may_read_and_nothing_else() -> None:
    workflow = load(WORKFLOW)
    assert workflow["permissions"] == {"contents": "read"}
    assert not [job for job in workflow["jobs"].values() if "permissions" in job]
    assert "secrets." not in WORKFLOW.read_text(encoding="utf-8")


def test_hooks_are_the_linters_of_make_check() -> None:
    recipe = re.search(r"(?m)^check:.*\n((?:\t.*\n)+)", MAKEFILE)
    assert recipe
    linters = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe[1].splitlines()]
    repositories = load(ROOT / ".pre-commit-config.yaml")["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"], "a hook downloads nothing"
    hooks = repositories[0]["hooks"]
    assert [hook["entry"] for hook in hooks] == linters
    assert {(hook["language"], hook["pass_filenames"]) for hook in hooks} == {("system", False)}


def test_the_dev_container_sets_up_the_tests_and_allows_tier_a() -> None:
    path = ROOT / ".devcontainer/devcontainer.json"
    container = json.loads(path.read_text(encoding="utf-8"))
    image = (path.parent / container["build"]["dockerfile"]).resolve(strict=True).read_text(encoding="utf-8")
    assert (path.parent / container["build"]["context"]).resolve() == ROOT
    assert f"useradd --create-home --shell /bin/bash --uid 1000 {container['remoteUser']}\n" in image
    pipeline = (ROOT / "docker/Dockerfile").read_text(encoding="utf-8")
    assert set(re.findall(r"(?m)^FROM (\S+)", image)) <= set(re.findall(r"(?m)^FROM (\S+)", pipeline))
    options = re.findall(r"--security-opt (\S+)", IN_A_CONTAINER)
    assert sorted(container["runArgs"]) == sorted(word for option in options for word in ("--security-opt", option))
    assert f"TOOLS := {container['postCreateCommand'].removeprefix('make ')}\n" in MAKEFILE
