"""DVC's plots: every entry of dvc.yaml has its file, its fields and its template, and DVC renders it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from tests.settings import ROOT


def dvc(path: Path, *arguments: str) -> str:
    """Run a command of DVC; returns what it complained of."""
    command, environment = [sys.executable, "-m", "dvc", *arguments], os.environ | {"DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(command, cwd=path, env=environment, capture_output=True, text=True, check=True)
    return done.stderr


@pytest.fixture
def workspace(rich: SimpleNamespace, tmp_path: Path) -> Path:
    """A folder with a report, and what else plots are made of."""
    path = tmp_path / "workspace"
    rich.build(path / "reports")
    shutil.copytree(rich.metrics, path / "metrics")
    return path


def test_every_plot_is_rendered(workspace: Path) -> None:
    plots = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["plots"]
    (workspace / "dvc.yaml").write_text(yaml.safe_dump({"plots": plots}, sort_keys=False), encoding="utf-8")
    dvc(workspace, "init", "--quiet", "--no-scm")
    shutil.copytree(ROOT / ".dvc/plots", workspace / ".dvc/plots")
    assert "ERROR" not in dvc(workspace, "plots", "show")
    html = (workspace / "dvc_plots/index.html").read_text(encoding="utf-8")
    specs = [json.loads(spec) for spec in re.findall(r"var spec = (\{.*?\});", html, re.DOTALL)]
    assert [spec["title"]["text"] for spec in specs[:4]] == [
        title for plot in plots for title in [next(iter(plot.values())).get("title")] if title
    ]
    assert len(specs) == len(plots)
    assert all(spec["data"]["values"] for spec in specs)
