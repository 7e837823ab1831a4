"""DVC's plots: every entry of dvc.yaml has its file, its fields and its template, and DVC renders it."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from iterpref_core.records import read_yaml
from tests.settings import ROOT


@pytest.mark.slow
def test_every_plot_is_rendered(rich, tmp_path):
    path = tmp_path / "workspace"
    rich.build(path / "reports")
    shutil.copytree(rich.files.metrics, path / "metrics")
    shutil.copytree(ROOT / ".dvc/plots", path / ".dvc/plots")
    plots = read_yaml(ROOT / "dvc.yaml")["plots"]
    (path / "dvc.yaml").write_text(json.dumps({"plots": plots}))
    (path / ".dvc/config").write_text("[core]\n    no_scm = true\n")
    command = [sys.executable, "-m", "dvc", "plots", "show"]
    done = subprocess.run(command, cwd=path, capture_output=True, text=True, check=True)
    assert "ERROR" not in done.stderr
    html = (path / "dvc_plots/index.html").read_text()
    specs = [json.loads(spec) for spec in re.findall(r"var spec = (\{.*?\});", html, re.DOTALL)]
    assert len(specs) == len(plots)
    assert all(spec["data"]["values"] for spec in specs)
