"""`iterpref`, the command line: each verb is one call of the library, and in a checkout of a flow.

Exit codes: 0 done; 1 the work ran and found what it must report; 2 bad input or configuration; 130 interrupted.
"""

import sys

_INTERRUPTED = 130


def main() -> None:
    """Run a verb; bad input ends with one message and exit code 2, never with a traceback."""
    from iterpref_core.cli.libraries import set_up_libraries
    from iterpref_core.errors import InputError, IterPrefError, storage_error

    set_up_libraries()
    code, message = 2, ""
    try:
        from iterpref_core.cli.app import app  # imports Typer, which may not be installed

        code = int(app(standalone_mode=False, prog_name="iterpref") or 0)
        if code == _INTERRUPTED:  # so Typer says it
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        code = _INTERRUPTED
        print("interrupted; what was finished is kept, and the same command continues", file=sys.stderr)
    except IterPrefError as error:
        code, message = 2 if isinstance(error, InputError) else 1, str(error)
    except Exception as error:
        missing = (getattr(error, "name", None) or "").partition(".")[0]
        if hasattr(error, "exit_code"):  # of Click, of which Typer has a copy of its own: a mistake in the command line
            from typer import rich_utils

            rich_utils.rich_format_error(error)  # type: ignore[arg-type]
        elif isinstance(error, ModuleNotFoundError) and missing not in {"flows", "tasks", "iterpref_core"}:
            message = f"the module {missing} is not installed; pip install '{_requirement_with(missing)}'"
        elif full := storage_error(error):
            message = str(full)
        elif isinstance(error, OSError) and error.filename is not None:
            message = f"{error.filename}: {error.strerror}; check the path"
        else:
            raise
    if message:
        print(f"error: {message}", file=sys.stderr)
    sys.exit(code)


def _requirement_with(module: str) -> str:
    """Return the smallest requirement of this project that brings a module.

    `torch` is among the requirements as `torch==2.13.0; extra == "training"`, which gives `iterpref[training]`.
    """
    import re
    from importlib.metadata import requires

    for requirement in requires("iterpref") or ():
        extra = re.search(r"extra == [\"'](\w+)", requirement)
        distribution = re.match(r"[\w.-]+", requirement)
        if distribution and distribution[0].replace("-", "_").partition(".")[0] == module:
            return f"iterpref[{extra[1]}]" if extra else "iterpref"
    return "iterpref[all]"
