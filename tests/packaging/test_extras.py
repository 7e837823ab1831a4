"""The wheel where there is what it declares and nothing else: the verbs that need no checkout."""

import json
import os
import subprocess
import sys
import zipfile
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
def environment(built_wheel, tmp_path_factory):
    """The wheel without extras, unpacked."""
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(built_wheel) as archive:
        archive.extractall(folder)
    found = set()
    waiting = {("iterpref", frozenset())}
    while waiting:
        name, extras = waiting.pop()
        found.add((name, extras))
        waiting |= set(needed(map(Requirement, requires(name) or ()), {"", *extras})) - found
    there = {name for name, _ in found}
    provided = packages_distributions().items()
    absent = [module for module, names in provided if there.isdisjoint(map(canonicalize_name, names))]
    return Environment(folder, [*absent, "flows", "tasks"])


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


def test_the_wheel_is_the_library_and_its_command(environment, tmp_path):
    names = {path.name for path in environment.wheel.iterdir() if path.suffix != ".dist-info"}
    assert names == {"iterpref_cli.py", "iterpref_core"}
    assert {"torch", "prefect", "mlflow", "dvc"} <= set(environment.absent)
    done = environment.iterpref("--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {"localize", "train", "execute", "check"} <= set(done.stdout.split())
    assert not {"sweep", "doctor"} & set(done.stdout.split())


def test_pairs_of_somebody_else_are_localized_without_a_checkout(environment, tmp_path):
    (tmp_path / "pairs.jsonl").write_text(json.dumps(PAIR) + "\n")
    given = ("--pairs", "pairs.jsonl")
    done = environment.iterpref("localize", *given, "--out", "marked.jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (pair,) = map(json.loads, (tmp_path / "marked.jsonl").read_text().splitlines())
    marked = [PAIR["rejected"][start:end] for start, end in pair["rejected_spans"]]
    assert [text.strip() for text in marked] == ["return x"]
    done = environment.iterpref("train", *given, "--objective", "sft", "--model", "m", "--out", "o", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 2), "where settings come from, and the error"
    assert "is not installed; pip install 'iterpref[" in done.stderr
