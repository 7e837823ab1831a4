"""What `make release` refuses, and the version wherever it stands."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile

import pytest

from iterpref_core.records import read_yaml
from tests.settings import ROOT

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
CITATION = read_yaml(ROOT / "CITATION.cff")


def check(folder):
    command = [sys.executable, ROOT / "config/environments/check_release.py", folder]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_release_with_a_file_too_few_or_too_many_or_a_broken_command_is_refused(built_wheel, built_sdist, tmp_path):
    for path in (built_wheel, built_sdist):
        shutil.copy(path, tmp_path)
    done = check(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    wheel = tmp_path / built_wheel.name
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    del files[min(name for name in files if name.startswith("iterpref_core/evaluation/report/templates/"))]
    files["tests/settings.py"] = b""
    points = next(name for name in files if name.endswith("entry_points.txt"))
    files[points] = files[points].replace(b"cli:", b"absent:")
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    done = check(tmp_path)
    assert done.returncode == 2, done.stdout
    for fault in (
        r"whl: iterpref_core/evaluation/report/templates/\S+ is missing; is it in \[tool.setuptools.package-data\]\?",
        r"whl: tests/settings.py does not belong there",
        r"whl: `iterpref` without its dependencies must name them: .*iterpref_absent",
    ):
        assert re.search(f"(?s)error: iterpref-{VERSION}.*{fault}", done.stderr), done.stderr


def test_the_version_is_the_same_in_every_file_that_names_it():
    images = re.findall(r"image: iterpref:(\d[\d.]+)", (ROOT / "docker/compose.yaml").read_text())
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    sections = [
        re.fullmatch(r"## (\d+\.\d+\.\d+) \((unreleased|\d{4}-\d\d-\d\d)\)", line)
        for line in lines
        if line.startswith("## ")
    ]
    versions, days = zip(*(section.groups() for section in sections if section), strict=True)
    assert {CITATION["version"], versions[0], *images} == {VERSION}
    assert len(versions) == len(sections), "a section is `## 1.2.3 (unreleased)`, or has a day instead"
    assert "unreleased" not in days[1:]
    assert str(CITATION.get("date-released", "unreleased")) == days[0]
