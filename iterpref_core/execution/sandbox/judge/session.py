"""Judge: the side of a judged program that runs its tests; the program lives in another process.

    judge   test code, unittest, pytest        reads the program's output, holds expected values, reports
      |     one connection, plain data only    f(2) -> 4
    program the solution                        has its own memory, folder, limits

In a test the names of the solution are proxies, so that every comparison, counter and method of a test case is
computed here, on real numbers, texts and lists. Reports go to a file that the program has no descriptor of.
"""

import builtins
import contextlib
import functools
import importlib.machinery
import json
import os
import pickle
import re
import sys
import traceback
import types
from collections.abc import Callable
from typing import Any

from ...codec.canonical import summarize
from ...codec.plain import UnencodableError, type_name
from ...kinds.reports import TEST, UNREADABLE, NotCompiledError, TestFailedError, signature
from ...kinds.table import KINDS
from ...solution.loading import facts_of, write_files
from .assertions import Counted
from .objects import lookup
from .peer import Judge, ProgramLostError
from .proxies import Conversation, Proxy, ProxyClass
from .solution_module import Finder, Names, Solution
from .wire import Wire

Report = Callable[[int, str, int, str], None]
_MAX_SHOWN = 400


class SolutionFailedError(BaseException):
    """An error that the program has made, not the test: the solution cannot be loaded."""

    def __init__(self, facts: dict[str, Any]) -> None:
        super().__init__(facts)
        self.facts = facts


class JudgeSession:
    """One judged program: the conversation with it, and the last call that a test has made of it.

    Args:
        job: the tests and their modules; see `run_judge`.
        end: is connected to the program.
        printed: descriptors of the files that the program prints to, standard output first.
        folder: the judge's own, which it makes when a test has files.
    """

    def __init__(self, job: dict[str, Any], end: Judge, printed: tuple[int, int], folder: str) -> None:
        self.folder = folder
        self.end = end
        end.after_receiving = self._show_printed
        self._printed = printed
        # Bytes of each of the two files that have been shown here.
        self._copied = [0, 0]
        self._loaded: dict[str, Solution] = {}
        self._last: tuple[Any, ...] = ()
        # Identities of objects that functions have returned, and of those that were asked for something.
        self._results: set[int] = set()
        self._asked_for_truth: set[int] = set()
        self._read: set[int] = set()
        # Names of the solution that builtins or the setup's imports have, too.
        self.shared: set[str] = set()
        self._imported = imports_of(job["imports"])
        # Sources of the setup's functions, which run here.
        self.helpers: dict[str, str] = job["functions"]
        self._names: dict[str, Any] | None = None
        shared = os.getcwd()
        # A program could write modules into the shared folder: a test's own are in the judge's.
        sys.path_hooks.insert(0, lambda path: _no_modules(os.path.abspath(path or shared).startswith(shared)))
        sys.path_importer_cache.pop(shared, None)
        Conversation.ask = self.ask

    def ask(self, op: str, /, *args: Any, **named: Any) -> Any:
        """Ask the program, and keep the last call for messages, and what a test reads of objects for `end_test`."""
        if op == "call":
            self._last = (args, named, ())
        value = self.end.ask(op, *args, **named)
        if op == "bool":
            self._asked_for_truth.update(map(id, args))
        else:
            self._read.update(map(id, args))
        if op == "call":
            self._last = (args, named, (value,))
            is_object = isinstance(value, Proxy) and not isinstance(value, re.Match)
            if is_object and type(args[0]) is not ProxyClass:
                self._results.add(id(value))
        return value

    def end_test(self) -> None:
        """End a test that has not failed.

        Raises:
            ProgramLostError: the program is, or `assert f(2)` has passed by an object: any is true, whatever it is.
        """
        if self.end.lost:
            raise ProgramLostError(self.end.lost)
        if self._results & self._asked_for_truth - self._read:
            raise ProgramLostError(f"{UNREADABLE}an object, of which the test asks for the truth value alone")

    def _show_printed(self) -> None:
        """Print the program's new output here, so that a test that captures output sees it."""
        streams = (sys.stdout, sys.stderr)
        for place, descriptor in enumerate(self._printed):
            size = os.fstat(descriptor).st_size
            shown = self._copied[place]
            if size > shown:
                self._copied[place] = size
                new = os.pread(descriptor, size - shown, shown)
                streams[place].write(new.decode("utf-8", "replace"))

    def printed(self) -> int:
        """Return how many bytes the program has printed on standard output."""
        return os.fstat(self._printed[0]).st_size

    def solution(self, name: str) -> Solution:
        """Return a module of the solution."""
        if name not in self._loaded:
            self._loaded[name] = Solution(name, self)
        return self._loaded[name]

    def load(self, name: str) -> None:
        """Have the program run the solution.

        Raises:
            SolutionFailedError: it cannot.
        """
        facts, defined = self.ask("load", name)
        if facts is not None:
            raise SolutionFailedError(facts)
        own = [name for name in defined if not name.startswith("__")]
        self.shared = {name for name in own if name in vars(builtins) or name in self._imported}

    def fill(self, namespace: dict[str, Any], code: types.CodeType) -> None:
        """Have a code find the solution's names in a namespace."""
        namespace["__builtins__"] = Names(self, namespace, code)

    def look_up(self, name: str, *, is_solutions: bool) -> Any:
        """Return what a test means by a name that is no builtin's.

        Raises:
            KeyError: neither the setup has imported it, nor does the solution define it.
        """
        if name in self._imported and not is_solutions:
            try:
                return self._imported[name]()
            except (ImportError, AttributeError):
                pass  # the program's own interpreter may have more
        try:
            return self.ask("get", "solution", name)
        except AttributeError:
            raise KeyError(name) from None

    def namespace(self, name: str) -> dict[str, Any]:
        """Return the names of a fresh module for tests."""
        module = types.ModuleType(name)
        sys.modules[name] = module
        return vars(module)

    def names(self) -> dict[str, Any]:
        """Return the names that all tests without a module of their own share."""
        if self._names is None:
            self._names = self.namespace("test_solution")
        return self._names

    def run_counted(
        self, source: str, filename: str, namespace: dict[str, Any], run: Callable[[types.CodeType, Any], int]
    ) -> None:
        """Run a test's source; see `assertions.Counted`."""
        Counted(source, filename).run(namespace, run)

    def write(self, files: dict[str, str]) -> None:
        """Write files into the judge's own folder, which is made for the first ones: most tests have none."""
        if not os.path.isdir(self.folder):
            os.mkdir(self.folder, 0o700)
        write_files(self.folder, files)

    def has_file(self, module: str) -> bool:
        """Tell whether a package lies among the test's files."""
        return os.path.exists(os.path.join(self.folder, module.replace(".", "/"), "__init__.py"))

    def last_call(self) -> tuple[str, str | None]:
        """Return the last call and its result, both as source; None where it returned nothing."""
        if not self._last:
            return "", None
        (function, *args), named, result = self._last
        try:
            name = str(self.end.ask("getattr", function, "__name__"))
        except (AttributeError, ProgramLostError):
            name = "the program"
        shown = [_shown(arg) for arg in args] + [f"{key}={_shown(arg)}" for key, arg in named.items()]
        return f"{name}({', '.join(shown)})"[:_MAX_SHOWN], _shown(self._plain(result[0])) if result else None

    def last_object(self) -> str | None:
        """Return the type of what a function has returned at last, if that is no plain value, and holds none."""
        if not self._last or not self._last[2] or type(self._last[0][0]) is ProxyClass:
            return None
        kind = type(self._plain(self._last[2][0]))
        return type_name(kind) if issubclass(kind, Proxy) else None

    def _plain(self, value: Any) -> Any:
        """Return the plain value that an object of the program holds; the object if it holds none."""
        try:
            return self.end.ask("held", value) if isinstance(value, Proxy) else value
        except (TypeError, ProgramLostError):
            return value


def _shown(value: Any) -> str:
    """Return a value as source; an object that is no plain data is named by its type."""
    try:
        summarize(value, lenient=True)
        return repr(value)[:_MAX_SHOWN]
    except (UnencodableError, ValueError, TypeError, RecursionError):
        return f"<{type_name(type(value))}>"


def _no_modules(is_shared: bool) -> Any:
    """Return a finder that finds nothing, for the folder that a test shares with the program.

    Raises:
        ImportError: it is another folder.
    """
    if not is_shared:
        raise ImportError
    return importlib.machinery.FileFinder(os.devnull)


def imports_of(listed: list[tuple[str, str, str]]) -> dict[str, Callable[[], Any]]:
    """Return the names that a setup imports, and how each is found.

    Args:
        listed: name, module and attribute; see `kinds.setups`.
    """
    found: dict[str, Callable[[], Any]] = {}
    for name, module, attribute in listed:
        if name == "*":
            with contextlib.suppress(ImportError):
                library = importlib.import_module(module)
                names = getattr(library, "__all__", [each for each in vars(library) if not each.startswith("_")])
                found.update({each: functools.partial(lookup, module, each) for each in names})
        elif attribute:
            found[name] = functools.partial(lookup, module, attribute)
        else:
            found[name] = functools.partial(importlib.import_module, module)
    return found


def facts_of_test(error: BaseException, session: JudgeSession, test: str) -> dict[str, Any]:
    """Return the facts of an error that a test has raised, or has let pass from the program."""
    # An error that the program has raised has crossed, and says in which line of the program that was.
    seen = error.__dict__.get("_iterpref")
    lines = {frame.f_code.co_filename: line for frame, line in traceback.walk_tb(error.__traceback__)}
    call, returned = session.last_call()
    return facts_of(error, "") | {
        "line": seen[2] if seen else None,
        "test_line": lines.get(test),
        "in_test": seen is None,
        "suite": {"raised": error.raised} if type(error) is TestFailedError else None,
        "call": call,
        "returned": returned,
        "object": session.last_object(),
    }


def run_judge(raw: bytes, report: Report, descriptor: int, printed: tuple[int, int], folder: str) -> None:
    """Judge a program: run the steps of a job one after the other, and report each.

    Args:
        raw: a pickled dictionary of the supervisor's: `steps`, a list of (kind, body); `modules`, the names that
            the solution is imported by; `eager`, whether it runs before the tests, by itself, or when they import it;
            `imports` and `functions` of the setup; `key`, by which reports are signed.
        report: writes a report: step, kind, bytes that the program has printed, and further facts.
        descriptor: of the connection to the program.
        printed: descriptors of the program's output.
        folder: the judge's own.
    """
    job = pickle.loads(raw)
    sys.setrecursionlimit(sys.getrecursionlimit() + 500)
    sys.set_int_max_str_digits(0)  # a program may have raised the limit for both
    end = Judge(Wire(descriptor))
    session = JudgeSession(job, end, printed, folder)
    finder = Finder(session, job["modules"])
    sys.meta_path.insert(0, finder)
    index = -1
    test = TEST

    def tell(kind: str, facts: Any) -> None:
        text = facts if isinstance(facts, str) else json.dumps(facts)
        text = text.replace(folder, ".")
        report(index, kind, session.printed(), f"{signature(job['key'], index, kind, text)} {text}")

    try:
        if job["eager"]:
            sys.modules["solution"] = finder.module("solution")
            session.load("solution")
        tell("loaded", "")
        for index, (name, body) in enumerate(job["steps"]):  # noqa: B007 - `tell` reads it
            _, file = KINDS[name].files(body)
            test = TEST if file == TEST else os.path.join(folder, file)
            said = KINDS[name].judge(body, session)
            session.end_test()
            tell(*said)
        index = len(job["steps"])
        tell("done", "")
    except SolutionFailedError as error:
        tell("error", error.facts)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the answer
        if end.lost or isinstance(error, ProgramLostError):
            tell("lost", {"why": end.lost or str(error), "call": session.last_call()[0]})
        elif isinstance(error, NotCompiledError):
            tell("unfit", f"the test cannot be compiled: {error}")
        else:
            tell("error", facts_of_test(error, session, test))
