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
import importlib
import os
import pickle
import re
import sys
import traceback
import types
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ...codec.canonical import UnencodableError, summarize, type_name
from ...kinds.reports import TEST, NotCompiledError, TestFailedError, compiled
from ...kinds.table import KINDS
from ...solution.loading import MAX_MESSAGE, text_of, write_files
from .assertions import Assertions
from .connection import Connection
from .messages import ProgramLostError
from .own_files import OwnFiles
from .proxies import Proxy, ProxyClass
from .references import lookup
from .solution_module import Finder, Names, Solution, meant_as_solutions

Report = Callable[[int, str, int, str], None]
LOST = 3
"""Exit status of a judge that has found its program gone."""
COPIES = "copies"
"""The last report's payload where copies may have mattered."""
_MAX_SHOWN = 400
_OF_PRECISION = re.compile(
    r"\btype[(,]|\bdtype|float\d|complex\d|longdouble|\.half\b|\.c?single\b|\bitemsize\b|\bnbytes\b|\bfinfo\b|\brepr\("
)
"""Words of a test that asks how precise a number is."""
_OF_KIND = re.compile(r"\bisinstance\(|\bstr\(|\bformat\(")
"""Words of a test that shows that, though it may ask for something else."""
_NO_TRUTH = "The truth value of an array"


class SolutionFailedError(BaseException):
    """An error that the program has made, not the test: the solution cannot be loaded."""

    def __init__(self, facts: dict[str, Any]) -> None:
        super().__init__(facts)
        self.facts = facts


class JudgeSession:
    """One judged program: its connection, and the last call that a test has made of it.

    Args:
        job: the tests and their modules; see `run_judge`.
        connection: is connected to the program.
        printed: descriptors of the files that the program prints to, standard output first.
        folder: the judge's own, which it makes when a test has files.
    """

    def __init__(self, job: dict[str, Any], connection: Connection, printed: tuple[int, int], folder: str) -> None:
        self.job = job
        self.folder = folder
        self.shared = os.getcwd()
        self.connection = connection
        self.connection.after_receiving = self._look
        self.connection.operations = {"warn": _warn, "log": _log, "log_enabled": _log_enabled}
        tests = str(job["steps"])
        if _OF_PRECISION.search(tests):
            connection.widens = "none"
        elif _OF_KIND.search(tests):
            connection.widens = "infinite"
        self._printed = printed
        # Bytes of each of the two files that have been shown here.
        self._copied = [0, 0]
        self._loaded: dict[str, Solution] = {}
        self._last: tuple[Any, ...] = ()
        # What the solution's module has: functions and the like, which come when it is loaded, and names besides.
        self.at_hand: dict[str, Any] = {}
        self.others: set[str] = set()
        # Names of builtins and of the setup's imports by which the tests mean the solution's.
        self.meant: set[str] = set()
        self._imported = imports_of(job["imports"])
        self._ask = self.connection.ask
        self.connection.ask = self._remember  # type: ignore[method-assign]
        self.assertions = Assertions(job["imports"])
        self.connection.is_assertion = self.assertions.has_made
        self.files = OwnFiles(self.shared, folder, self.assertions)

    def is_by_copies(self) -> bool:
        """Tell whether a copy may have been compared or changed in the place of what plain Python has."""
        return self.connection.is_by_copies() or self.assertions.has_met_copies

    def _remember(self, op: str, handle: int | None, name: str = "", args: Any = (), named: Any = None) -> Any:
        """Ask, and keep the last call that was made for its result, for messages."""
        if op != "call" and name != "__call__":
            return self._ask(op, handle, name, args, named)
        self._last = (handle, args, named, ())
        value = self._ask(op, handle, name, args, named)
        self._last = (handle, args, named, (value,))
        return value

    def _look(self) -> None:
        """Look at what the program has done besides sending a message."""
        self._show_printed()
        self.check_files()

    def check_files(self) -> None:
        """End the test if the program has put a file in the place of one of the judge's.

        Raises:
            ProgramLostError: it has.
        """
        if self.files.secret and self.files.is_planted():
            self.connection.lose("tampered")
            raise ProgramLostError(self.connection.lost)

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

    def named(self, name: str, value: Any) -> None:
        """Note under which name a test knows a class, or a function."""
        if type(value) is ProxyClass:
            self.connection.name_class(value, name)

    def solution(self, name: str) -> Solution:
        """Return a module of the solution."""
        if name not in self._loaded:
            self._loaded[name] = Solution(name, self)
        return self._loaded[name]

    def load(self, name: str, *, unasked: bool = False) -> None:
        """Have the program run the solution.

        Args:
            name: of the solution's module.
            unasked: the program does so by itself, as its first act.

        Raises:
            SolutionFailedError: it cannot.
        """
        if unasked:
            answer = self.connection.awaited()
        else:
            answer = self.connection.ask("load", None, "", (name,))
        facts, at_hand, others = answer
        if facts is not None:
            raise SolutionFailedError(facts)
        self.at_hand = {name: value for name, value in at_hand.items() if type(name) is str}
        self.others = {name for name in others if type(name) is str}

    def decide(self, codes: Callable[[], Iterable[types.CodeType]]) -> None:
        """Decide once, over all tests, who is meant by names that the solution shares with Python or the setup."""
        shared = (self.at_hand.keys() | self.others) & (vars(builtins).keys() | self._imported.keys())
        if shared:
            self.meant = meant_as_solutions(shared, codes())

    def fill(self, namespace: dict[str, Any], code: types.CodeType) -> None:
        """Have a code find the solution's names in a namespace."""
        namespace["__builtins__"] = Names(self, namespace, code)
        self.at_hand = {}

    def look_up(self, name: str) -> Any:
        """Return what a test means by a name that is no builtin's.

        Raises:
            KeyError: neither the setup has imported it, nor does the solution define it.
        """
        if name in self._imported and name not in self.meant:
            try:
                return self._imported[name]()
            except (ImportError, AttributeError):
                pass  # the program's own interpreter may have more
        if name in self.at_hand:
            value = self.at_hand[name]
        else:
            try:
                value = self.connection.ask("get", None, "", ("solution", name))
            except AttributeError:
                raise KeyError(name) from None
        self.named(name, value)
        return value

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
        handle, args, named, result = self._last
        call = self._call_text(handle, args, named)
        if not result:
            return call, None
        return call, self._shown(result[0])

    def last_object(self) -> str | None:
        """Return the type of the last call's result, if that is no plain value."""
        if not self._last:
            return None
        *_, result = self._last
        value = result[0] if result else None
        # An object that the test itself has made, by calling its class, may be compared: it is under test.
        if isinstance(value, Proxy) and not value.iterpref_made:
            return type_name(type(value))
        return None

    @staticmethod
    def _shown(value: Any) -> str:
        """Return a value as source; an object that is no plain data is named by its type."""
        try:
            summarize(value, lenient=True)
            return repr(value)[:_MAX_SHOWN]
        except (UnencodableError, ValueError, TypeError, RecursionError):
            return f"<{type_name(type(value))}>"

    def _call_text(self, handle: int, args: Any, named: Any) -> str:
        try:
            name = str(self._ask("getattr", handle, "__name__"))
        except (AttributeError, ProgramLostError):
            name = "the program"
        shown = [self._shown(arg) for arg in args]
        for key, arg in (named or {}).items():
            shown.append(f"{key}={self._shown(arg)}")
        listed = ", ".join(shown)
        return f"{name}({listed})"[:_MAX_SHOWN]


def imports_of(listed: list[tuple[str, str, str]]) -> dict[str, Callable[[], Any]]:
    """Return the names that a setup imports, and how each is found.

    Args:
        listed: name, module and attribute; see `ruling.setup_imports`.
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


def share_surroundings(connection: Connection) -> None:
    """Have the program told of those changes of a test's own process that are meant for both: limits, environment."""
    own = {"setrecursionlimit": sys.setrecursionlimit, "putenv": os.putenv, "unsetenv": os.unsetenv}

    def shared(name: str) -> Callable[..., None]:
        def change(*args: Any) -> None:
            own[name](*args)  # type: ignore[operator]
            told = [os.fsdecode(arg) if isinstance(arg, bytes) else arg for arg in args]
            # pytest names its current test in the environment.
            if not str(told[0]).startswith("PYTEST_"):
                connection.ask("surroundings", None, "", (name, *told))

        return change

    for name in own:
        setattr(sys if name == "setrecursionlimit" else os, name, shared(name))


def _warn(message: Any, filename: str, line: int) -> None:
    if not isinstance(message, Warning):
        raise TypeError("no warning")
    warnings.warn_explicit(message, type(message), str(filename), int(line))


def _log(name: str, level: int, message: str, line: int, function: str) -> None:
    import logging

    logger = logging.getLogger(str(name))
    if logger.isEnabledFor(int(level)):
        record = logger.makeRecord(
            str(name),
            int(level),
            fn="solution.py",
            lno=int(line),
            msg=str(message),
            args=(),
            exc_info=None,
            func=str(function),
        )
        logger.handle(record)


def _log_enabled(name: str, level: int) -> bool:
    import logging

    return logging.getLogger(str(name)).isEnabledFor(int(level))


class Judge:
    """The process that runs tests beside a program.

    Attributes:
        session: with the program.
    """

    def __init__(self, session: JudgeSession) -> None:
        self.session = session
        self._names: dict[str, Any] | None = None

    def namespace(self, name: str) -> dict[str, Any]:
        """Return the names of a fresh module for tests."""
        module = types.ModuleType(name)
        sys.modules[name] = module
        self.session.connection.test_modules.add(name)
        self.session.assertions.count_in(vars(module))
        return vars(module)

    def names(self) -> dict[str, Any]:
        """Return the names that all tests without a module of their own share."""
        if self._names is None:
            self._names = self.namespace("test_solution")
        return self._names

    def compiled(self, source: str, filename: str = TEST) -> types.CodeType:
        """Return the code of a test, which counts its assertions.

        Raises:
            NotCompiledError: it is no Python.
        """
        return compiled(source, filename, make=self.session.assertions.compiled)


def codes_of(steps: list[tuple[str, Any]]) -> Iterator[types.CodeType]:
    """Yield the codes of those tests that have the solution's names without an import."""
    for kind, body in steps:
        for source, mode in KINDS[kind].sources_with_names(body):
            with contextlib.suppress(NotCompiledError):
                yield compiled(source, TEST, mode)


def facts_of(error: BaseException, session: JudgeSession, test: str) -> dict[str, Any]:
    """Return the facts of an error that a test has raised, or has let pass from the program."""
    # An error that the program has raised has crossed, and says in which line of the program that was.
    seen = error.__dict__.get("_iterpref")
    lines = {frame.f_code.co_filename: line for frame, line in traceback.walk_tb(error.__traceback__)}
    call, returned = session.last_call()
    # `assert f(2) == 4` with an array of several numbers: none of Python's errors is meant, the answer is wrong.
    is_no_truth = seen is None and type(error) is ValueError and text_of(error).startswith(_NO_TRUTH)
    return {
        "type": "AssertionError" if is_no_truth else type_name(type(error)),
        "bases": [type_name(base) for base in type.mro(type(error))],
        "message": text_of(error)[:MAX_MESSAGE],
        "line": seen[2] if seen else None,
        "test_line": lines.get(test),
        "in_test": seen is None,
        "syntax": False,
        "suite": {"raised": error.raised} if type(error) is TestFailedError else None,
        "call": call,
        "returned": returned,
        "object": session.last_object(),
        "copies": session.is_by_copies(),
    }


def _problem(error: BaseException) -> str:
    """Return the problem of a test itself; empty if there is none."""
    if isinstance(error, NotCompiledError):
        return f"the test cannot be compiled: {error}"
    if isinstance(error, ModuleNotFoundError) and "_iterpref" not in error.__dict__:
        return f"the test needs package {error.name}, which is not installed"
    return ""


def run_judge(raw: bytes, report: Report, connection: Connection, printed: tuple[int, int], folder: str) -> int:
    """Judge a program: run the steps of a job one after the other, and report each.

    Args:
        raw: a pickled dictionary of the supervisor's: `steps`, a list of (kind, body); `modules`, the names that
            the solution is imported by; `eager`, whether it runs before the tests, by itself, or when they import it;
            `imports`, those of the setup.
        report: writes a report: step, kind, bytes that the program has printed, and further facts.
        connection: is connected to the program.
        printed: descriptors of the program's output.
        folder: the judge's own.

    Returns:
        Exit status of the judge.
    """
    job = pickle.loads(raw)
    sys.setrecursionlimit(sys.getrecursionlimit() + 500)
    sys.set_int_max_str_digits(0)  # a program may have raised the limit for both
    session = JudgeSession(job, connection, printed, folder)
    share_surroundings(connection)
    finder = Finder(session, job["modules"])
    sys.meta_path.insert(0, finder)
    judge = Judge(session)
    index = -1
    test = TEST

    def tell(kind: str, facts: Any) -> None:
        import json

        text = facts if isinstance(facts, str) else json.dumps(facts)
        report(index, kind, session.printed(), text.replace(folder, "."))

    try:
        if job["eager"]:
            sys.modules["solution"] = finder.module("solution")
            session.load("solution", unasked=True)
            session.decide(lambda: codes_of(job["steps"]))
        tell("loaded", "")
        for index, (name, body) in enumerate(job["steps"]):  # noqa: B007 - `tell` reads it
            _, file = KINDS[name].files(body)
            test = TEST if file == TEST else os.path.join(folder, file)
            said = KINDS[name].judge(body, judge)
            if session.connection.lost:
                raise ProgramLostError(session.connection.lost)
            if session.connection.swallowed:
                raise session.connection.swallowed[0]
            session.assertions.check_comparisons()
            tell(*said)
        index = len(job["steps"])
        tell("done", COPIES if session.is_by_copies() else "")
    except SolutionFailedError as error:
        tell("error", error.facts)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the answer
        if session.connection.lost:
            tell("lost", {"why": session.connection.lost, "call": session.last_call()[0]})
        elif problem := _problem(error):
            tell("unfit", problem)
        else:
            tell("error", facts_of(error, session, test))
    return LOST if session.connection.lost else 0
