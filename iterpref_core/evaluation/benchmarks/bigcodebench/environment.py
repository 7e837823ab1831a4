"""Find BigCodeBench's own environment, which has its harness and the libraries of its tasks."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from iterpref_core.records import DataUnavailableError

PYTHON_VARIABLE = "ITERPREF_BIGCODEBENCH_PYTHON"

_PYTHON = Path(".venv-bigcodebench/bin/python")
_ASK_S = 120.0
_CONTENTS = """
import importlib.metadata, os, sysconfig
print(*sorted(f"{found.name}=={found.version}" for found in importlib.metadata.distributions()))
for _, folders, files in os.walk(os.path.join(sysconfig.get_path("purelib"), "nltk_data")):
    print(*sorted(folders), *sorted(files))
"""


def find_python() -> Path:
    """Return the environment's Python: `ITERPREF_BIGCODEBENCH_PYTHON`, else the Python of `make bigcodebench`.

    Raises:
        DataUnavailableError: it is absent, or lacks bigcodebench.
    """
    # It is next to our own environment, which is the checkout's: a worktree of the checkout has neither. An
    # environment's Python is a link to another one, and not resolved.
    python = Path(os.environ.get(PYTHON_VARIABLE) or Path(sys.prefix).parent / _PYTHON).absolute()
    if not os.access(python, os.X_OK):
        raise DataUnavailableError(
            f"BigCodeBench's environment is absent ({python}); run `make bigcodebench`, "
            f"or name the Python of one in {PYTHON_VARIABLE}"
        )
    if "bigcodebench==" not in contents_of(python):
        raise DataUnavailableError(f"{python}: bigcodebench is not installed there; run `make bigcodebench`")
    return python


@cache
def contents_of(python: Path) -> str:
    """Return a text of all that an environment holds: packages with versions, and NLTK's corpora."""
    command = [str(python), "-I", "-c", _CONTENTS]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_S, check=True, cwd="/")
    except (OSError, subprocess.SubprocessError) as error:
        raise DataUnavailableError(
            f"{python}: does not work as BigCodeBench's environment ({error}); run `make bigcodebench` again"
        ) from None
    return done.stdout
