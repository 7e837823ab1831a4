"""What the tests of packaging share."""

import shutil
import subprocess
import sys

import pytest

from tests.once import made_once
from tests.settings import ROOT


@pytest.fixture(scope="session")
def distributions(tmp_path_factory):
    """A folder with the wheel and the sdist of this checkout, built from a copy of the sources, without a network."""

    def build(folder):
        source = folder / "source"
        shutil.copytree(ROOT / "iterpref_core", source / "iterpref_core", ignore=shutil.ignore_patterns("__pycache__"))
        texts = ("README.md", "LICENSE")
        for name in ("iterpref_cli.py", "pyproject.toml", *texts):
            shutil.copy2(ROOT / name, source)
        for kind in ("sdist", "wheel"):
            program = f"import sys; from setuptools import build_meta; build_meta.build_{kind}(sys.argv[1])"
            subprocess.run([sys.executable, "-c", program, folder], cwd=source, check=True, capture_output=True)

    return made_once(tmp_path_factory, "distributions", build)
