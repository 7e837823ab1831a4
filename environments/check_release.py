"""Release check: the wheel and the sdist have all of the packages and nothing else, and the wheel can be installed.

`python environments/check_release.py FOLDER` looks at the wheel and sdist in a folder, by the standard library alone,
compares them to the files of this repository, installs the wheel in a fresh environment without what it depends on,
and ends with 2, and one message for each fault.
"""

import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("iterpref_core",)
BESIDE = {
    "CHANGELOG.md",
    "CITATION.cff",
    "LICENSE",
    "MANIFEST.in",
    "PKG-INFO",
    "README.md",
    "pyproject.toml",
    "setup.cfg",
}
"""What the sdist has beside the packages: what says what it is, and what builds the wheel."""
ADVICE = "pip install 'iterpref'"
INSTALLED = (
    "import importlib.metadata, sysconfig; print(sysconfig.get_path('purelib'), importlib.metadata.version('iterpref'))"
)


def package_files() -> set[str]:
    """Files of the packages as git knows them, by their paths in the repository; linters' own are none."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *PACKAGES]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return {name for name in names if not name.endswith("ruff.toml")}


def differences(archive: str, packed: set[str], wanted: set[str]) -> Iterator[str]:
    """A line for each file that an archive lacks, or has without being asked for."""
    yield from (
        f"{archive}: {name} is missing; is it in [tool.setuptools.package-data]?" for name in sorted(wanted - packed)
    )
    yield from (f"{archive}: {name} does not belong there" for name in sorted(packed - wanted))


def in_wheel(wheel: Path) -> set[str]:
    """Files of a wheel but for its metadata."""
    return {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}


def in_sdist(sdist: Path) -> set[str]:
    """Files of an sdist, below its one folder, but for metadata."""
    with tarfile.open(sdist) as archive:
        names = (entry.name.partition("/")[2] for entry in archive if entry.isfile())
        return {name for name in names if not name.startswith("iterpref.egg-info/")}


def installation_faults(wheel: Path, wanted: set[str], version: str) -> Iterator[str]:
    """What is wrong where the wheel alone is installed: its version, a file, or what `iterpref` says is missing."""
    with tempfile.TemporaryDirectory(prefix="iterpref-release-") as folder:
        venv.create(folder)
        programs = Path(folder, "bin")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", programs / "python"]
        subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", wheel], cwd=folder, check=True)
        asked = [programs / "python", "-I", "-c", INSTALLED]
        place, installed = subprocess.run(asked, cwd=folder, capture_output=True, text=True, check=True).stdout.split()
        if installed != version:
            yield f"{wheel.name}: installed as {installed}, and pyproject.toml has {version}"
        yield from (
            f"{wheel.name}: {name} is not installed" for name in sorted(wanted) if not Path(place, name).is_file()
        )
        said = subprocess.run([programs / "iterpref"], cwd=folder, capture_output=True, text=True, check=False)
        if said.returncode != 2 or ADVICE not in said.stderr:
            yield f"{wheel.name}: `iterpref` without its dependencies must name them: {said.stdout}{said.stderr}"


def faults(folder: Path) -> Iterator[str]:
    """All that is wrong with the release in a folder."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    wheel, sdist = folder / f"iterpref-{version}-py3-none-any.whl", folder / f"iterpref-{version}.tar.gz"
    if absent := [path.name for path in (wheel, sdist) if not path.is_file()]:
        yield f"{folder}: {' and '.join(absent)} is missing; build it with `make release`"
        return
    wanted = package_files()
    yield from differences(wheel.name, in_wheel(wheel), wanted)
    yield from differences(sdist.name, in_sdist(sdist), wanted | BESIDE)
    yield from installation_faults(wheel.resolve(), wanted, version)


if __name__ == "__main__":
    all_faults = list(faults(Path(sys.argv[1])))
    for fault in all_faults:
        print(f"error: {fault}", file=sys.stderr)
    if all_faults:
        sys.exit(2)
    print(f"{sys.argv[1]} can be released")
