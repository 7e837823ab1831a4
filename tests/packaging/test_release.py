"""What `make release` refuses, and the version wherever it stands."""

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.settings import ROOT

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def check(folder: Path) -> "subprocess.CompletedProcess[str]":
    if subprocess.run(["git", "rev-parse"], cwd=ROOT, capture_output=True, check=False).returncode:
        pytest.skip("this is no git repository: nothing says which files belong to the packages")
    command = [sys.executable, ROOT / "environments/check_release.py", folder]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def spoiled(distributions: Path, tmp_path: Path) -> Path:
    """A wheel that lacks a template, has a test, and an entry point that is not there; an sdist that has a secret."""
    for path in (*distributions.glob("*.whl"), *distributions.glob("*.tar.gz")):
        shutil.copy(path, tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    template = min(name for name in files if name.startswith("iterpref_core/report/templates/"))
    del files[template]
    files["tests/settings.py"] = b""
    (points,) = (name for name in files if name.endswith("entry_points.txt"))
    files[points] = files[points].replace(b"cli:", b"absent:")
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    (source / "docker").mkdir()
    (source / "docker/secret").touch()
    with tarfile.open(sdist, "w:gz") as archive:
        archive.add(source, source.name)
    return tmp_path


def test_wheel_and_sdist_of_this_checkout_can_be_released(distributions: Path) -> None:
    done = check(distributions)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_release_with_a_file_too_few_or_too_many_or_a_broken_command_is_refused(spoiled: Path) -> None:
    done = check(spoiled)
    assert done.returncode == 2, done.stdout
    for fault in (
        r"whl: iterpref_core/report/templates/\S+ is missing; is it in \[tool.setuptools.package-data\]\?",
        r"whl: tests/settings.py does not belong there",
        r"gz: docker/secret does not belong there",
        r"whl: iterpref_core/report/templates/\S+ is not installed",
        r"whl: `iterpref` without its dependencies must name them: .*iterpref_core.absent",
    ):
        assert re.search(f"(?s)error: iterpref-{VERSION}.*{fault}", done.stderr), done.stderr


def test_a_release_that_was_not_built_is_refused(tmp_path: Path) -> None:
    done = check(tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "build it with `make release`" in done.stderr


def test_the_version_is_the_same_in_every_file_that_names_it() -> None:
    images = re.findall(r"image: iterpref:(\d[\d.]+)", (ROOT / "docker/compose.yaml").read_text(encoding="utf-8"))
    assert {CITATION["version"], *images} == {VERSION}


def test_sections_of_the_changelog_are_versions_and_all_but_the_first_are_dated() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    sections = [
        re.fullmatch(r"## (\d+\.\d+\.\d+) \((unreleased|\d{4}-\d\d-\d\d)\)", line)
        for line in lines
        if line.startswith("## ")
    ]
    assert None not in sections, "a section is `## 1.2.3 (unreleased)`, or has a day instead"
    versions, days = zip(*(section.groups() for section in sections if section), strict=True)
    assert versions[0] == VERSION
    numbers = [tuple(map(int, version.split("."))) for version in versions]
    assert numbers == sorted(set(numbers), reverse=True)
    assert "unreleased" not in days[1:]
    assert str(CITATION.get("date-released", "unreleased")) == days[0]
