"""Files that a host of repositories reads: they are valid, and run what the Makefile does."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from iterpref_core.records import read_yaml
from tests.settings import ROOT

SCHEMAS = {
    "citation-file-format": [ROOT / "CITATION.cff"],
    "github-issue-forms": sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yaml")),
    "github-workflows": [*(ROOT / ".github/workflows").glob("*"), ROOT / "docs/experiment-workflow.yaml"],
}


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_file_is_what_its_format_asks_for(schema):
    checker = Path(sys.executable).with_name("check-jsonschema")
    command = [checker, "--builtin-schema", f"vendor.{schema}", *SCHEMAS[schema]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflow_runs_the_tests_on_every_python_that_is_allowed():
    workflow = read_yaml(ROOT / ".github/workflows/checks.yaml")
    tests = workflow["jobs"]["tests"]
    pythons = tests["strategy"]["matrix"]["python"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    allowed = SpecifierSet(project["requires-python"])
    assert pythons == [f"3.{minor}" for minor in range(40) if f"3.{minor}" in allowed]
    assert workflow["permissions"] == {"contents": "read"}


@pytest.mark.parametrize(
    ("there", "code", "printed"),
    [
        (["3.9", "3.11", "3.12", "3.13", "3.14"], 0, "python3.13\n"),
        (["3.12", "shim 3.13"], 0, "python3.12\n"),
        (["3.9", "3.14"], 2, "false\n"),
    ],
)
def test_the_newest_python_that_is_allowed_and_works_is_taken(tmp_path, there, code, printed):
    for name in there:
        program = tmp_path / f"python{name.removeprefix('shim ')}"
        program.write_text(f"#!/bin/sh\nexit {127 if name.startswith('shim ') else 0}\n")
        program.chmod(0o755)
    (tmp_path / "sed").symlink_to(shutil.which("sed"))
    script = ["/bin/sh", "config/environments/find_python.sh"]
    done = subprocess.run(script, cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (code, printed)
    assert done.stderr.startswith("error: no Python from 3.11 to 3.13" if code else "")
