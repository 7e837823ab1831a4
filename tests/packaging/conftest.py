"""What the tests of packaging share."""

import shutil
import subprocess
import sys

import pytest

from tests.once import made_once
from tests.settings import ROOT


def built(factory, kind):
    """Return the wheel or the sdist of this checkout, built from a copy of the sources, without a network."""

    def build(folder):
        source = folder / "source"
        shutil.copytree(ROOT / "iterpref_core", source / "iterpref_core", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("iterpref_cli.py", "pyproject.toml", "README.md", "LICENSE"):
            shutil.copy2(ROOT / name, source)
        program = f"import sys; from setuptools import build_meta; build_meta.build_{kind}(sys.argv[1])"
        subprocess.run([sys.executable, "-c", program, folder], cwd=source, check=True, capture_output=True)

    (path,) = made_once(factory, kind, build).glob("iterpref-*")
    return path


@pytest.fixture(scope="session")
def built_wheel(tmp_path_factory):
    """The file of the wheel."""
    return built(tmp_path_factory, "wheel")


@pytest.fixture(scope="session")
def built_sdist(tmp_path_factory):
    """The file of the sdist."""
    return built(tmp_path_factory, "sdist")
