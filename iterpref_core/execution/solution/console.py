"""Run a program as `python solution.py < input` does, with the file descriptors 0, 1 and 2."""

import atexit
import builtins
import contextlib
import gc
import io
import os
import sys
import threading
import types
import weakref
from collections.abc import Callable
from importlib.machinery import SourceFileLoader

from .loading import compile_solution

SCRIPT = "solution.py"


def _open_streams() -> None:
    """Put fresh streams in the place of the zygote's, as Python opens them for a file or a pipe."""
    stdin = open(0, encoding="utf-8", newline="\n", closefd=False)  # noqa: SIM115
    stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    for name, stream in (("stdin", stdin), ("stdout", stdout), ("stderr", stderr)):
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _flush(name: str) -> None:
    """Flush a stream of `sys`, which may be an object of the program's, and closed."""
    with contextlib.suppress(Exception):
        getattr(sys, name).flush()


def _flush_all() -> None:
    """Flush all streams: the collector would close the file of one in a class before the text that waits is written."""
    for each in gc.get_objects():
        if issubclass(type(each), io.TextIOBase | io.BufferedIOBase):
            with contextlib.suppress(Exception):
                each.flush()


def _end() -> None:
    """End a script as Python does, in its order: objects of the program's may print when they are deleted.

    The interpreter itself is not taken down: that would touch each of the zygote's objects, and cost more than most
    programs do.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - waits for all threads but daemons
    atexit._run_exitfuncs()  # noqa: SLF001
    _flush("stdout")
    _flush("stderr")
    sys.stdout = sys.__stdout__
    _flush_all()
    # `__del__` of an object may print.
    main = weakref.ref(sys.modules.pop("__main__"))
    # A module that nothing but its own functions holds goes with all its names; of any other, the names go.
    gc.collect()
    kept = main()
    if kept is not None:
        names = vars(kept)
        for name in names:
            if name != "__builtins__":
                names[name] = None
        gc.collect()
    _flush("stdout")


def run_script(setup: str, code: str, describe: Callable[[BaseException, str], None]) -> int:
    """Run a program as a script that is `__main__`; return its exit status.

    Args:
        setup: source to run before the program, in its namespace; may be empty.
        code: the program.
        describe: is told of an error that ends the program, and of the script's path.
    """
    _open_streams()
    source = code.encode("utf-8", "surrogatepass")  # as bytes, so that a coding cookie or a byte order mark counts
    with open(SCRIPT, "wb") as file:
        file.write(source)
    main = types.ModuleType("__main__")
    main.__file__ = os.path.abspath(SCRIPT)
    main.__loader__ = SourceFileLoader("__main__", main.__file__)
    vars(main)["__builtins__"] = builtins
    sys.modules["__main__"] = main
    sys.argv = [SCRIPT]
    # As for `python solution.py`, the first folder is the folder of the script.
    sys.path.insert(0, os.getcwd())
    status = 0
    try:
        program = compile_solution(source, main.__file__)
        if setup:
            exec(compile(setup, "<setup>", "exec"), vars(main))
        exec(program, vars(main))
    except SystemExit as error:
        # `sys.exit()`, `sys.exit(3)`, `sys.exit("a message")`
        status = error.code & 0xFF if isinstance(error.code, int) else int(error.code is not None)
    except BaseException as error:  # noqa: BLE001 - whatever ends the program
        describe(error, main.__file__)
        status = 1
    sys.modules["__main__"] = main
    del main
    _end()
    return status
