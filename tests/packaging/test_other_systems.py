"""What executes no program works where there is neither Linux nor a sandbox: macOS, Windows, an old kernel."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from transformers import PreTrainedTokenizerBase

from iterpref_core.nanolab.byte_bpe import train_tokenizer
from tests.packaging.without_linux import without_linux
from tests.settings import ROOT
from tests.test_architecture import MODULES

IN_THE_SANDBOX = ("iterpref_core.execution.sandbox", "iterpref_core.problems.own_code.sandboxed")
"""What runs beside a program, where the sandbox is."""

IMPORT_ALL = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
VERBS = """
import json, runpy, sys
from iterpref_core import cli

for words in json.loads(sys.argv[1]):
    sys.argv = words
    try:
        cli.main() if words[0] == "iterpref" else runpy.run_path(words[0], run_name="__main__")
    except SystemExit as end:
        assert not end.code, words
"""


def test_every_module_can_be_imported(tmp_path: Path) -> None:
    library = [name for name in MODULES if name.startswith("iterpref_core")]  # the rest belongs to a checkout, on Linux
    names = [name for name in library if not name.startswith(IN_THE_SANDBOX) and not name.endswith("__main__")]
    without_linux(IMPORT_ALL, *names, cwd=tmp_path)


def test_what_is_hidden_is_hidden(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="No module named 'resource'"):
        without_linux(IMPORT_ALL, "iterpref_core.execution.sandbox.limits", cwd=tmp_path)
    with pytest.raises(AssertionError, match="has no attribute 'fork'"):
        without_linux("import os; os.fork()", cwd=tmp_path)


@pytest.fixture
def model(make_model: Callable[[PreTrainedTokenizerBase], Path]) -> Path:
    return make_model(train_tokenizer(["Write f(x) that adds 1.\ndef f(x):\n    return x + 1\n"], 300))


def test_pairs_are_localized_shown_checked_and_trained_on(model: Path, tmp_path: Path) -> None:
    pair = {"prompt": "Write f(x) that adds 1.", "rejected": "def f(x):\n    return x - 1\n"}
    pairs = [pair | {"task_id": f"a/{n}", "chosen": f"def f(x):\n    return x + 1 + {n} - {n}\n"} for n in range(4)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs), encoding="utf-8")
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["training"] |= {
        "epochs": 1,
        "batch_size": 4,
        "micro_batch_size": 4,
        "max_length": 200,
        "max_prompt_length": 64,
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    given = ["--pairs", "pairs.jsonl", "--spans", "focal.jsonl"]
    trained = [*given, "--objective", "target-dpo", "--model", str(model)]
    verbs = [["iterpref", *words] for words in (
        ["localize", "--pairs", "pairs.jsonl", "--out", "focal.jsonl"],
        ["show", *given],
        ["check", *given, "--model", str(model)],
        ["train", *trained, "--estimate"],
        ["train", *trained, "--out", "trained"],
        ["show", *given, "--model", str(model), "--trained", "trained", "--html", "page.html"],
    )]  # fmt: skip
    plug_in = [str(ROOT / "examples/focal_dpo.py"), str(model), "plugged_in"]
    out = without_linux(VERBS, json.dumps([*verbs, plug_in]), cwd=tmp_path)
    assert "return x - 1" in out
    assert {path.parent.name for path in tmp_path.glob("*/model.safetensors")} == {"trained", "plugged_in"}
    assert "a/0" in (tmp_path / "page.html").read_text(encoding="utf-8")


NO_LAYERS = """
import ctypes, os, struct, sys
refused = (444, 277 if os.uname().machine == "aarch64" else 317)  # landlock_create_ruleset, seccomp
code = struct.pack("=HBBI", 0x20, 0, 0, 0)  # load the call's number
for number in refused:
    code += struct.pack("=HBBI", 0x15, 0, 1, number) + struct.pack("=HBBI", 0x06, 0, 0, 0x50026)  # ENOSYS
code += struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000)  # all else is allowed
text = ctypes.create_string_buffer(code, len(code))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(text)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, *[ctypes.c_ulong(value) for value in (1, 0, 0, 0)]) == 0
assert libc.prctl(22, ctypes.c_ulong(2), program) == 0
os.execvp(sys.argv[1], sys.argv[1:])
"""
"""Executes a command on what is an old kernel to it: one that knows neither Landlock nor seccomp's own call."""

MACOS = """
import platform, runpy, sys
sys.platform, platform.system = "darwin", lambda: "Darwin"
runpy.run_path("environments/check_isolation.py", run_name="__main__")
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What `make demo` looks at before it installs, and a PATH without bubblewrap."""
    for name in ("Makefile", "params.yaml", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("environments", "iterpref_core"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "bin").mkdir()
    for name in ("make", "sh", "grep"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    return tmp_path


def demo(clone: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    """Run in the clone by an interpreter that has nothing installed."""
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", *command],
        cwd=clone,
        env={"PATH": str(clone / "bin")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_make_demo_says_that_programs_cannot_be_isolated_before_it_installs(clone: Path) -> None:
    before = set(clone.iterdir())
    done = demo(clone, NO_LAYERS, "make", "demo", f"PYTHON={sys.executable} -I -S")
    assert done.returncode == 2
    message, made = done.stderr.splitlines()
    assert message.startswith("error: untrusted programs cannot be isolated here. Needed are seccomp, rlimits and one")
    for layer in ("bwrap: bubblewrap is not installed", "landlock: ", "seccomp: OSError"):
        assert layer in message
    assert "docker build -t iterpref-demo" in message
    assert made.startswith("make: ***")
    assert (set(clone.iterdir()), done.stdout) == (before, "")


def test_another_system_is_named_with_the_container_that_does_the_same(clone: Path) -> None:
    done = demo(clone, MACOS)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "this is Darwin" in done.stderr
    assert "docker run --name iterpref-demo " in done.stderr
    assert "--allow-unsafe" not in done.stderr
