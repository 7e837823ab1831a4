"""Check a release: wheel and sdist have exactly the packages, and the wheel can be installed.

`python config/environments/check_release.py FOLDER` looks at the wheel and sdist in a folder, by the standard library
alone, compares them to the files of this repository, installs the wheel in a fresh environment without what it depends
on, and ends with 2, and one message for each fault.
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

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("iterpref_cli.py", "iterpref_core")
"""A wheel has these: the command and the library."""
BESIDE = {
    "LICENSE",
    "PKG-INFO",
    "README.md",
    "pyproject.toml",
    "setup.cfg",
}
"""Files of the sdist that describe the project or build the wheel."""
ADVICE = "is not installed; pip install iterpref"
"""The message of `iterpref` without its dependencies holds this."""
# Prints the folder of installed packages, and the version.
INSTALLED = (
    "import importlib.metadata, sysconfig; print(sysconfig.get_path('purelib'), importlib.metadata.version('iterpref'))"
)


def package_files() -> set[str]:
    """Return the files of the packages that git knows, by their paths in the repository, without linters' own."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *PACKAGES]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    # A folder that is a link, such as records/profiles, is packed as its files.
    linked = {f"{name}/{path.name}" for name in names for path in (ROOT / name).glob("*")}
    return {name for name in names if not name.endswith("ruff.toml") and not (ROOT / name).is_dir()} | linked


def differences(archive: str, packed: set[str], wanted: set[str]) -> Iterator[str]:
    """Yield a line for each file that an archive lacks, and for each that does not belong in it."""
    for name in sorted(wanted - packed):
        yield f"{archive}: {name} is missing; is it in [tool.setuptools.package-data]?"
    for name in sorted(packed - wanted):
        yield f"{archive}: {name} does not belong there"


def in_wheel(wheel: Path) -> set[str]:
    """Return the files of a wheel without its metadata."""
    return {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}


def in_sdist(sdist: Path) -> set[str]:
    """Return the files of an sdist below its one folder, without metadata."""
    with tarfile.open(sdist) as archive:
        names = (entry.name.partition("/")[2] for entry in archive if entry.isfile())
        return {name for name in names if not name.startswith("iterpref.egg-info/")}


def installation_faults(wheel: Path, wanted: set[str], version: str) -> Iterator[str]:
    """Yield the faults of the wheel when it is installed alone: in version, files, and the message of `iterpref`."""
    with tempfile.TemporaryDirectory(prefix="iterpref-release-") as folder:
        venv.create(folder)
        programs = Path(folder, "bin")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", programs / "python"]
        subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", wheel], cwd=folder, check=True)
        asked = [programs / "python", "-I", "-c", INSTALLED]
        place, installed = subprocess.run(asked, cwd=folder, capture_output=True, text=True, check=True).stdout.split()
        if installed != version:
            yield f"{wheel.name}: installed as {installed}, and pyproject.toml has {version}"
        for name in sorted(wanted):
            if not Path(place, name).is_file():
                yield f"{wheel.name}: {name} is not installed"
        said = subprocess.run([programs / "iterpref"], cwd=folder, capture_output=True, text=True, check=False)
        if said.returncode != 2 or ADVICE not in said.stderr:
            yield f"{wheel.name}: `iterpref` without its dependencies must name them: {said.stdout}{said.stderr}"


def faults(folder: Path) -> Iterator[str]:
    """Yield all faults of the release in a folder."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    wheel = folder / f"iterpref-{version}-py3-none-any.whl"
    sdist = folder / f"iterpref-{version}.tar.gz"
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
