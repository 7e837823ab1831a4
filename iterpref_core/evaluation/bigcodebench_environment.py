"""BigCodeBench's own environment: its harness and the libraries that its tasks import, in versions of their own."""

import ast
import hashlib
import json
import os
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path

from iterpref_core.errors import DataUnavailableError
from iterpref_core.evaluation.bigcodebench_data import BigCodeBenchTask

PYTHON_VARIABLE = "ITERPREF_BIGCODEBENCH_PYTHON"

_PYTHON = Path(".venv-bigcodebench/bin/python")
_ASK_S = 120.0
_CONTENTS = """
import importlib.metadata, json, os, sysconfig
corpora = os.path.join(sysconfig.get_path("purelib"), "nltk_data")
print(json.dumps({
    "packages": sorted(f"{found.name}=={found.version}" for found in importlib.metadata.distributions()),
    "corpora": sorted(name for _, folders, files in os.walk(corpora) for name in [*folders, *files]),
}))
"""
_ABSENT = """
import importlib.util, json, sys
print(json.dumps([name for name in json.load(sys.stdin) if importlib.util.find_spec(name) is None]))
"""


def find_python() -> Path:
    """The environment's Python: `ITERPREF_BIGCODEBENCH_PYTHON`, else what `make bigcodebench` made.

    Raises:
        DataUnavailableError: there is none, or bigcodebench is not in it.
    """
    named = os.environ.get(PYTHON_VARIABLE)
    # Beside our own environment too: `dvc exp run --temp` runs in a copy that has neither.
    candidates = [Path(named)] if named else [folder / _PYTHON for folder in (Path.cwd(), Path(sys.prefix).parent)]
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            python = candidate.absolute()  # not resolved: an environment's Python is a link to another one
            if _absent(str(python), ("bigcodebench",)):
                raise DataUnavailableError(f"{python}: bigcodebench is not installed there; run `make bigcodebench`")
            return python
    if named:
        raise DataUnavailableError(
            f"{PYTHON_VARIABLE}={named}: no such program; correct it, or unset it and run `make bigcodebench`"
        )
    raise DataUnavailableError(
        f"BigCodeBench's environment is absent ({_PYTHON}); run `make bigcodebench`, "
        f"or name the Python of one in {PYTHON_VARIABLE}"
    )


@cache
def contents_digest(python: Path) -> str:
    """Digest of all that an environment holds: packages with versions, and NLTK's corpora."""
    return hashlib.sha256(_ask(str(python), _CONTENTS, "").encode()).hexdigest()


def missing_libraries(task: BigCodeBenchTask, python: Path) -> tuple[str, ...]:
    """The libraries that a task's own solution and tests import and the environment lacks."""
    return _absent(str(python), tuple(sorted(_imported(task))))


def _imported(task: BigCodeBenchTask) -> set[str]:
    """Top-level names of all modules that a task imports, anywhere in its text."""
    with warnings.catch_warnings(action="ignore"):  # the tasks' own, such as "\\." in a plain string
        tree = ast.parse(f"{task.complete_prompt}\n{task.canonical_solution}\n{task.test}")
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


@cache
def _absent(python: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(json.loads(_ask(python, _ABSENT, json.dumps(names))))


def _ask(python: str, source: str, text: str) -> str:
    try:
        return subprocess.run(
            [python, "-I", "-c", source],
            input=text,
            capture_output=True,
            text=True,
            timeout=_ASK_S,
            check=True,
            cwd="/",
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise DataUnavailableError(
            f"{python}: does not work as BigCodeBench's environment ({error}); run `make bigcodebench` anew"
        ) from None
