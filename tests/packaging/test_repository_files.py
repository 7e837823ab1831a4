"""Files that a host of repositories reads: they are valid, and run what the Makefile does."""

import subprocess
import tomllib

import pytest
from check_jsonschema import main
from click.testing import CliRunner
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
    done = CliRunner().invoke(main, ["--builtin-schema", f"vendor.{schema}", *map(str, SCHEMAS[schema])])
    assert done.exit_code == 0, done.output


def test_the_workflow_runs_the_tests_on_every_python_that_is_allowed():
    workflow = read_yaml(ROOT / ".github/workflows/checks.yaml")
    tests = workflow["jobs"]["tests"]
    pythons = tests["strategy"]["matrix"]["python"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    allowed = SpecifierSet(project["requires-python"])
    assert pythons == [f"3.{minor}" for minor in range(40) if f"3.{minor}" in allowed]
    assert workflow["permissions"] == {"contents": "read"}


@pytest.mark.parametrize(
    ("wheel", "python", "told"),
    [
        ("torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl", "", "--find-links links"),
        ("torch-2.13.0+cpu-cp39-cp39-linux_x86_64.whl", "python3.12", "--find-links links --torch-backend auto"),
        ("numpy-2.4.6-cp311-cp311-linux_x86_64.whl", "", "--find-links links --torch-backend auto"),
    ],
)
def test_uv_finds_a_python_and_pytorch_is_of_the_folder_of_wheels_only_if_that_has_one(tmp_path, wheel, python, told):
    """PyPI's PyTorch for Linux brings gigabytes of CUDA."""
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / wheel).touch()
    (tmp_path / "bin").mkdir()
    (tmp_path / "cp311").write_text("#!/bin/sh\necho cp311\n")
    uv = 'echo "$@" >> calls; if [ $1 = venv ]; then mkdir -p .venv/bin; mv cp311 .venv/bin/python; fi'
    (tmp_path / "bin/uv").write_text(f"#!/bin/sh\n{uv}\n")
    for path in (tmp_path / "cp311", tmp_path / "bin/uv"):
        path.chmod(0o755)
    (tmp_path / "bin/python3").symlink_to("/bin/true")  # pip, which would be asked for its configuration, and has none
    environment = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "PYTHON": python, "PIP_FIND_LINKS": "links"}
    script = ["/bin/sh", str(ROOT / "config/environments/install.sh"), "all"]
    subprocess.run(script, cwd=tmp_path, env=environment, check=True)
    made, installed = (tmp_path / "calls").read_text().splitlines()
    assert made == f"venv --quiet --seed {f'--python {python} ' if python else ''}.venv"
    assert installed.endswith(told)
