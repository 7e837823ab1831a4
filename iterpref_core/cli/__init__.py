"""Run the verbs of the library on the command line; each verb is one call.

Exit codes: 0 done; 1 the work ran and found a failure; 2 bad input or configuration; 130 interrupted.
"""

import errno
import os
import re
import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import Any

_INTERRUPTED = 130
_DEFECT = "a defect, or a library's error"


def main() -> None:
    """Run a verb of the library, and end with its exit code."""
    run_verb(_load_app)


def _load_app() -> Any:
    from .app import app

    return app


def run_verb(load_app: Callable[[], Any]) -> None:
    """Run a verb, and end with its exit code.

    Args:
        load_app: imports the application; called where a missing library is explained, since Typer may be one.
    """
    _open_closed_streams()
    from .libraries import set_up_libraries

    set_up_libraries()
    sys.exit(exit_code(lambda: load_app()(standalone_mode=False, prog_name="iterpref")))


def _open_closed_streams() -> None:
    """Let nothing take the place of a standard stream that is closed, such as a database that errors are written to."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # has the lowest free number, which is this one
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))


def exit_code(work: Callable[[], Any]) -> int:
    """Do the work of a verb or a stage, and return the exit code; bad input ends with one message, not a traceback.

    Args:
        work: returns an exit code, or None.
    """
    from iterpref_core.records import printable_text
    from iterpref_core.training.launch import leave_error

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that only knows ASCII shows `?` instead of ✓
            stream.reconfigure(errors="replace")
    try:
        code = int(work() or 0)
        # Typer catches Ctrl-C itself, and returns this code.
        if code == _INTERRUPTED:
            raise KeyboardInterrupt
        return code
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept, and the same command continues", file=sys.stderr)
        return _INTERRUPTED
    except Exception as error:
        code, message = _explain(error)
        if message == _DEFECT:
            leave_error(error)
            raise
        if message and not leave_error(error):
            print(printable_text(f"error: {message}"), file=sys.stderr, flush=True)
        return code


def _explain(error: Exception) -> tuple[int, str]:
    """Return the exit code and the message of an error.

    The message is empty if it is already printed, and `_DEFECT` if the error does not come from the user's input.
    """
    from iterpref_core.records import InputError, IterPrefError, storage_error

    loop = error.__context__
    # pathlib of Python 3.11 turns a link that leads to itself into a RuntimeError.
    if isinstance(error, RuntimeError) and isinstance(loop, OSError) and loop.errno == errno.ELOOP:
        error = loop
    # A full disk and a missing package also are errors that the user can mend.
    full = storage_error(error)
    unusable = _import_problem(error)
    if isinstance(error, IterPrefError):
        return 2 if isinstance(error, InputError) else 1, str(error)
    # A mistake in the command line is an error of Click. Typer has its own copy of Click, so no class is compared.
    if hasattr(error, "exit_code"):
        from typer import rich_utils

        rich_utils.rich_format_error(error)  # type: ignore[arg-type]
        return 2, ""
    if unusable:
        return 2, unusable
    if full is not None:
        return 2, str(full)
    if isinstance(error, FileNotFoundError) and error.errno and error.filename is None:  # of `os.getcwd`
        return 2, "the working folder is gone; cd to one that is there"
    if isinstance(error, OSError) and error.filename is not None:
        return 2, f"{error.filename}: {error.strerror}; check the path"
    return 1, _DEFECT


def _import_problem(error: Exception) -> str:
    """Return why another project's module could not be imported, and what to do; empty for any other error."""
    if not isinstance(error, ImportError):
        return ""
    module = (error.name or "").partition(".")[0]
    if module in {"flows", "tasks", "iterpref_core"}:
        return ""
    if module and isinstance(error, ModuleNotFoundError):
        return f"the module {module} is not installed; {_remedy(module)}"
    return f"{error}: a package is broken, or of a version that does not fit; install it again"


def _remedy(module: str) -> str:
    """Return the command that installs the top-level module of another project: the smallest extra with its package."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        needed = requires("iterpref") or []
    except PackageNotFoundError:  # started from a folder of sources
        needed = []
    # extra → the packages that it installs, with those of the extras that it includes.
    packages: dict[str, set[str]] = {}
    for line in needed:  # such as `openai<4,>=3.48; extra == "endpoints"`, `iterpref[data]; extra == "training"`
        name, _, inner = re.split(r"[^\w[,-]", line)[0].partition("[")
        extra = line.partition("extra == ")[2].strip("\"'")
        packages.setdefault(extra, set()).add(name.replace("-", "_"))
        if name == "iterpref":
            packages[extra].update(*(packages[other] for other in inner.split(",")))
    having = [extra for extra, names in packages.items() if module in names and extra != "dev"]
    if "" in having:
        return "pip install iterpref"
    smallest = min(having, key=lambda extra: len(packages[extra]), default="all")
    return f"pip install 'iterpref[{smallest}]'"
