"""The wheel where there is what it declares and nothing else: the verbs that need no checkout."""

import json
import os
import subprocess
import sys
import zipfile
from functools import cache
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PAIR = {
    "task_id": "a",
    "prompt": "Add.",
    "chosen": "def f(x):\n    return x + 1\n",
    "rejected": "def f(x):\n    return x\n",
}
START = """
import json, sys
wheel, absent, *arguments = sys.argv[1:]

class Absent(set):
    def find_spec(self, name, path=None, target=None):
        if name in self:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent(json.loads(absent)))
sys.path.insert(0, wheel)
sys.argv = ["iterpref", *arguments]
from iterpref_cli import main
import iterpref_core
assert sys.modules["iterpref_core"].__path__[0].startswith(wheel)
main()
"""


NAMES = """
import iterpref_core, pydoc
assert not hasattr(iterpref_core, "FocalCollator")
assert hasattr(iterpref_core, "Executor")
assert "localize" in pydoc.render_doc(iterpref_core)
from iterpref_core import *
print(localize("def f(x):\\n    return -x\\n", "def f(x):\\n    return x\\n").rejected)
try:
    iterpref_core.FocalCollator
except AttributeError as error:
    print(error)
"""


PROVIDED = cache(packages_distributions)
"""Read once: it takes a second to ask every package that is installed."""


class Environment(NamedTuple):
    """An unpacked wheel, and the modules that would not be there had pip installed it alone."""

    wheel: Path
    absent: list[str]

    def iterpref(self, *arguments, cwd):
        """Run the command line there: nothing of the checkout is on its path."""
        return self.python(START, *arguments, cwd=cwd)

    def python(self, script, *arguments, cwd):
        """Run a script there."""
        variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        command = [sys.executable, "-c", script, str(self.wheel), json.dumps(self.absent), *arguments]
        return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False)


def needed(requirements, extras):
    """The distributions that apply among requirements, with the extras that are asked of them."""
    for item in requirements:
        if item.marker is None or any(item.marker.evaluate({"extra": extra}) for extra in extras):
            yield canonicalize_name(item.name), frozenset(item.extras)


@pytest.fixture(scope="module")
def wheel(built_wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(built_wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def environment(wheel):
    return environment_of(wheel)


def environment_of(wheel, *extras):
    """Return the environment that has the wheel with some extras."""
    found = set()
    waiting = {("iterpref", frozenset(extras))}
    while waiting:
        name, extras = waiting.pop()
        found.add((name, extras))
        waiting |= set(needed(map(Requirement, requires(name) or ()), {"", *extras})) - found
    there = {name for name, _ in found}
    provided = PROVIDED().items()
    absent = [module for module, names in provided if there.isdisjoint(map(canonicalize_name, names))]
    return Environment(wheel, [*absent, "flows", "tasks"])


@pytest.mark.slow
def test_the_library_shows_the_names_that_can_be_imported(environment, tmp_path):
    """Without an extra neither `help` nor `import *` nor `hasattr` fails, and a name that needs one says which."""
    script = START.partition("sys.argv = ")[0] + NAMES
    done = environment.python(script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    region, missing = done.stdout.splitlines()
    assert region == "((10, 23),)"
    assert missing.endswith(
        "FocalCollator needs trl, which is not installed: python -m pip install 'iterpref[training]'"
    )


@pytest.mark.slow
def test_a_script_of_a_user_is_checked_with_the_types_of_the_library(environment, tmp_path):
    """As in an environment that has the wheel alone, so that mypy does not read the sources of torch and others."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "user"], cwd=tmp_path, check=True)
    (packages,) = (tmp_path / "user/lib").glob("python*/site-packages")
    (packages / "iterpref_core").symlink_to(environment.wheel / "iterpref_core")
    script = tmp_path / "script.py"
    script.write_text("from iterpref_core import Limits\n\nlimits: str = Limits()\n", encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--config-file=", "--python-executable", "user/bin/python", "script.py"]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert 'expression has type "Limits", variable has type "str"' in checked.stdout, checked.stdout + checked.stderr


def test_the_wheel_is_the_library_and_its_command(environment, tmp_path):
    names = {path.name for path in environment.wheel.iterdir() if path.suffix != ".dist-info"}
    assert names == {"iterpref_cli.py", "iterpref_core"}
    assert {"torch", "prefect", "mlflow", "dvc"} <= set(environment.absent)
    done = environment.iterpref("--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {"localize", "train", "execute", "check"} <= set(done.stdout.split())
    assert not {"sweep", "doctor"} & set(done.stdout.split())


def test_pairs_of_somebody_else_are_localized_without_a_checkout(environment, tmp_path):
    (tmp_path / "pairs.jsonl").write_text(json.dumps(PAIR) + "\n", encoding="utf-8")
    given = ("--pairs", "pairs.jsonl")
    done = environment.iterpref("localize", *given, "--out", "spans.jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (spans,) = map(json.loads, (tmp_path / "spans.jsonl").read_text(encoding="utf-8").splitlines())
    marked = [PAIR["rejected"][start:end] for start, end in spans["rejected"]]
    assert [text.strip() for text in marked] == ["return x"]
    given += ("--spans", "spans.jsonl")
    shown = environment.iterpref("show", *given, cwd=tmp_path)
    assert (shown.returncode, "return x" in shown.stdout) == (0, True), shown.stderr
    done = environment.iterpref("train", *given, "--objective", "sft", "--model", "m", "--out", "o", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "is not installed; pip install 'iterpref[training]'" in done.stderr


def test_pairs_are_checked_without_the_libraries_of_models(wheel, tmp_path):
    (tmp_path / "pairs.jsonl").write_text(json.dumps(PAIR) + "\n", encoding="utf-8")
    environment = environment_of(wheel, "data")
    assert "torch" in environment.absent
    checked = environment.iterpref("check", "--pairs", "pairs.jsonl", "--json", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert json.loads(checked.stdout)["pairs"] == 1
