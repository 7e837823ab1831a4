"""Environments that have our wheel and what it declares, and nothing else; made of links, so in a moment and offline.

What pip would install is here already, in the environment that runs the tests. Of that, a clean environment is given
the distributions that an extra's requirements lead to, each by links to its files.
"""

import shutil
import subprocess
import sys
import venv
import zipfile
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OWN = "iterpref"


class AbsentError(LookupError):
    """A distribution is required that this environment lacks."""


@cache
def installed() -> dict[str, Distribution]:
    """What the environment that runs the tests has, by canonical name; the first on the path counts."""
    found: dict[str, Distribution] = {}
    for distribution in distributions():
        found.setdefault(canonicalize_name(distribution.metadata["Name"]), distribution)
    return found


@cache
def _owners() -> dict[str, set[str]]:
    """By first part of a path in `site-packages`, the distributions with files there."""
    owners = defaultdict(set)
    for name, distribution in installed().items():
        for file in distribution.files or ():
            owners[file.parts[0]].add(name)
    return owners


def closure(requirements: Iterable[str], extra: str = "") -> set[str]:
    """The distributions that requirements lead to, with their own requirements and so on.

    Args:
        requirements: of our wheel, with markers.
        extra: the one that is asked for; an extra may name others of ours.

    Raises:
        AbsentError: one of them is not installed here, or in a version that was not asked for.
    """
    own, found = list(requirements), set[str]()
    waiting, seen = [(OWN, ""), (OWN, extra)], set[tuple[str, str]]()
    while waiting:
        name, asked = waiting.pop()
        if (name, asked) in seen:
            continue
        seen.add((name, asked))
        for requirement in map(Requirement, own if name == OWN else installed()[name].requires or ()):
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": asked}):
                continue
            needed = canonicalize_name(requirement.name)
            if needed != OWN:
                if needed not in installed():
                    raise AbsentError(f"{name} needs {requirement}, which is not installed here")
                if not requirement.specifier.contains(installed()[needed].version, prereleases=True):
                    raise AbsentError(f"{name} needs {requirement}; here is {installed()[needed].version}")
                found.add(needed)
            waiting += [(needed, inner) for inner in ("", *requirement.extras)]
    return found


def make_environment(folder: Path, wheel: Path, names: Iterable[str]) -> Path:
    """Make an environment with the wheel and these distributions; returns its interpreter."""
    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = folder / "lib" / version / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for name in names:
        _link(installed()[name], site)
    return folder / "bin/python"


def _link(distribution: Distribution, site: Path) -> None:
    for file in distribution.files or ():
        top = file.parts[0]
        if top in ("..", "__pycache__") or file.suffix == ".pyc":
            continue
        part = Path(top) if len(_owners()[top]) == 1 else Path(file)
        place = site / part
        if not place.is_symlink():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(Path(str(distribution.locate_file(part))).absolute())


def build_distributions(root: Path, folder: Path) -> None:
    """Build wheel and sdist in a folder, from a copy of the sources, without a network."""
    source = folder / "source"
    shutil.copytree(root / "iterpref_core", source / "iterpref_core", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "MANIFEST.in"):
        shutil.copy2(root / name, source)
    for kind in ("sdist", "wheel"):
        build = f"import sys; from setuptools import build_meta; build_meta.build_{kind}(sys.argv[1])"
        subprocess.run([sys.executable, "-c", build, folder], cwd=source, check=True, capture_output=True, text=True)
