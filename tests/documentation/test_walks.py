"""What pages show and promise, where no model is needed to try it: numbers of the walks, and a backup."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from string import Template

import pytest

from scripts.walk import read_steps, unlike
from tests.flows.conftest import iterpref
from tests.settings import ROOT
from tests.texts import write_files

__all__ = ["iterpref"]

VARIABLES = {
    "MODEL": "/models/student",
    "DEBUGGER": "a-debugger",
    "DEBUGGER_URL": "http://127.0.0.1:1/v1",
    "PYTHON": sys.executable,
    "PWD": str(ROOT),
}


@pytest.mark.parametrize("page", ["own-model.md", "tutorial.md"])
def test_init_prints_the_line_that_the_page_shows(page, iterpref):
    text = (ROOT / "docs" / page).read_text()
    (command,) = re.findall(r"(?m)^iterpref (init .+)$", text)
    (shown,) = re.findall(r"(?m)^params\.yaml: profile .*$", text)
    Path("config").symlink_to(ROOT / "config")
    shutil.copy2(ROOT / "params.yaml", ".")
    code, printed, err = iterpref(*Template(command).substitute(VARIABLES).split())
    assert code == 0, err
    assert printed.splitlines()[-1] == shown


def test_a_backup_is_restored_beside_the_files_of_a_clone(tmp_path):
    text = (ROOT / "docs/cluster.md").read_text()
    commands = re.findall(r"(?m)^(?:ls -d .*|tar .*?(?= && ))", text)
    for folder, command in zip(("before", "clone"), commands, strict=True):
        write_files(tmp_path / folder, {"dvc.lock": folder})
        if folder == "before":
            write_files(tmp_path / folder, {"mlflow.db": "runs"})
        subprocess.run(["bash", "-c", command], cwd=tmp_path / folder, check=True)
    assert (tmp_path / "clone/dvc.lock").read_text() == "clone"
    assert (tmp_path / "clone/mlflow.db").read_text() == "runs"


def test_a_line_of_a_page_that_no_command_prints_is_shown_beside_the_nearest_one():
    page = "```sh\ncount\n```\nIt counts:\n```text\nproblems  27\nheldout   12\n…\n```\n```yaml\nseed: 1\n```\n"
    step, edit = read_steps(page)
    assert (step.commands, edit.commands) == ("count\n", "python -m scripts.walk --edit <<'EOF'\nseed: 1\nEOF\n")
    assert list(unlike(step.shown, "\nproblems 27\n\nheldout 11\n")) == ["- heldout   12\n+ heldout 11"]
