"""The command line of the library: each verb is one call.

Exit codes: 0 done; 1 the work ran and found a failure; 2 bad input or configuration; 130 interrupted.
"""

import sys
from collections.abc import Callable
from typing import Any

_INTERRUPTED = 130


def main() -> None:
    """Run a verb of the library, and end with its exit code."""
    run_verb(_load_app)


def _load_app() -> Any:
    from iterpref_core.cli.app import app

    return app


def run_verb(load_app: Callable[[], Any]) -> None:
    """Run a verb; bad input ends with one message and exit code 2, never with a traceback.

    Args:
        load_app: imports the application; called where a missing library is explained, since Typer may be one.
    """
    from iterpref_core.cli.libraries import set_up_libraries
    from iterpref_core.records.errors import InputError, IterPrefError, storage_error
    from iterpref_core.storage.processes import leave_error

    set_up_libraries()
    code = 2
    message = ""
    try:
        app = load_app()
        code = int(app(standalone_mode=False, prog_name="iterpref") or 0)
        # Typer catches Ctrl-C itself, and returns this code.
        if code == _INTERRUPTED:
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        code = _INTERRUPTED
        print("interrupted; what was finished is kept, and the same command continues", file=sys.stderr)
    except IterPrefError as error:
        code = 2 if isinstance(error, InputError) else 1
        message = "" if leave_error(error) else str(error)
    except Exception as error:
        full = storage_error(error)
        missing = _missing_module(error)
        # A mistake in the command line is an error of Click. Typer has its own copy of Click, so no class is compared.
        if hasattr(error, "exit_code"):
            from typer import rich_utils

            rich_utils.rich_format_error(error)  # type: ignore[arg-type]
        elif missing:
            message = f"the module {missing} is not installed; pip install 'iterpref[all]'"
        elif full is not None:
            message = str(full)
        elif isinstance(error, OSError) and error.filename is not None:
            message = f"{error.filename}: {error.strerror}; check the path"
        else:
            raise
    if message:
        print(f"error: {message}", file=sys.stderr)
    sys.exit(code)


def _missing_module(error: Exception) -> str:
    """Return the top-level module of another project that could not be imported; empty for any other error."""
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return ""
    module, _, _ = error.name.partition(".")
    return "" if module in {"flows", "tasks", "iterpref_core"} else module
