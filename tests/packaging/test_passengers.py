"""Packages that evalplus asks for and that pyproject.toml leaves out: the parts of evalplus in use run without them."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires

from packaging.requirements import Requirement

from tests.settings import ROOT

OVERRIDES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["override-dependencies"]
LEFT_OUT = {Requirement(line).name for line in OVERRIDES}
RUN = """
import json, sys

absent = set(json.loads(sys.argv[1]))

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from evalplus.data.mbpp import mbpp_deserialize_inputs
from evalplus.eval import MBPP_OUTPUT_NOT_NONE_TASKS, MBPP_OUTPUT_SET_EQ_TASKS, PASS, _poly, is_floats, untrusted_check
from evalplus.provider.utility import extra_eos_for_direct_completion
from evalplus.sanitize import sanitize

assert mbpp_deserialize_inputs("Mbpp/2", [[[1, 2], [2]]]) == [[(1, 2), (2,)]]
assert _poly([1.0, 2.0], -0.5) == 0.0 and is_floats([0.5])
assert extra_eos_for_direct_completion("humaneval")
assert sanitize("Here:\\n```python\\ndef f(x):\\n    return x\\n```", "f") == "def f(x):\\n    return x"
if __name__ == "__main__":
    status, _ = untrusted_check(
        "humaneval", "def f(x):\\n    return x", [[1]], "f", [1], 0.0, [0.01], False, min_time_limit=30.0
    )
    assert status == PASS, status
"""


def test_evalplus_runs_without_what_is_left_out():
    modules = [name.split("-")[0] for name in LEFT_OUT]
    command = [sys.executable, "-c", RUN, json.dumps(modules)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_lock_has_the_rest_of_what_evalplus_asks_for():
    locked = set(re.findall(r"(?m)^([\w.-]+)==", (ROOT / "config/environments/requirements.lock").read_text("utf-8")))
    asked = {item.name for line in requires("evalplus") or () if not (item := Requirement(line)).marker}
    assert asked & locked == asked - LEFT_OUT
    assert asked >= LEFT_OUT
