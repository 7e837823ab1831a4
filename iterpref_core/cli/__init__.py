"""`iterpref`, the command line: each verb is one call of the library, and in a checkout of a flow.

Exit codes: 0 done; 1 the work ran and found what it must report; 2 bad input or configuration; 130 interrupted.
"""

import sys

_INTERRUPTED = 130


def main() -> None:
    """Run a verb; bad input ends with one message and exit code 2, never with a traceback."""
    try:
        sys.exit(_run())
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in {"flows", "tasks", "iterpref_core"}:
            raise
        print(
            f"error: the module {missing} is not installed; pip install 'iterpref[all]'",
            file=sys.stderr,
        )
        sys.exit(2)


def _run() -> int:
    from iterpref_core.cli.libraries import set_up_libraries
    from iterpref_core.errors import InputError, IterPrefError, storage_error

    set_up_libraries()
    import typer
    from typer import rich_utils

    from iterpref_core.cli.app import app

    try:
        code = int(app(standalone_mode=False) or 0)
        if code == _INTERRUPTED:  # so Typer says it
            raise KeyboardInterrupt
        return code
    except (KeyboardInterrupt, typer.Abort):
        print("interrupted; what was finished is kept, and the same command continues", file=sys.stderr)
        return _INTERRUPTED
    except IterPrefError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    except Exception as error:
        if hasattr(error, "exit_code"):  # of Click, of which Typer has a copy of its own: a mistake in the command line
            rich_utils.rich_format_error(error)  # type: ignore[arg-type]
            return int(error.exit_code)
        if isinstance(error, ModuleNotFoundError) or not (message := _about_files(error, storage_error(error))):
            raise
        print(f"error: {message}", file=sys.stderr)
        return 2


def _about_files(error: Exception, full: Exception | None) -> str:
    """What a full disk or a path that cannot be used has to do with an error; empty for other errors."""
    if full is None and isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}; check the path"
    return str(full or "")
