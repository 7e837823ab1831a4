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
import sys
import traceback
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ...codec.canonical import UnencodableError, summarize, type_name
from ...kinds.reports import NOT_JUDGED, REACHED, TEST, NotCompiledError, TestFailedError, compiled, signature
from ...kinds.table import KINDS
from ...solution.loading import MAX_MESSAGE, text_of, write_files
from .assertions import Counted, is_deep
from .objects import lookup
from .peer import Peer, ProgramLostError
from .proxies import Proxy, ProxyClass
from .solution_module import Finder, Names, Solution, meant_as_solutions

Report = Callable[[int, str, int, str], None]
LOST = 3
"""Exit status of a judge that has found its program gone."""
_MAX_SHOWN = 400
_NO_TRUTH = "The truth value of an array"


class SolutionFailedError(BaseException):
    """An error that the program has made, not the test: the solution cannot be loaded."""

    def __init__(self, facts: dict[str, Any]) -> None:
        super().__init__(facts)
        self.facts = facts


class JudgeSession:
    """One judged program: the conversation with it, and the last call that a test has made of it.

    Args:
        job: the tests and their modules; see `run_judge`.
        peer: is connected to the program.
        printed: descriptors of the files that the program prints to, standard output first.
        folder: the judge's own, which it makes when a test has files.
    """

    def __init__(self, job: dict[str, Any], peer: Peer, printed: tuple[int, int], folder: str) -> None:
        self.folder = folder
        self.peer = peer
        peer.after_receiving = self._show_printed
        self._printed = printed
        # Bytes of each of the two files that have been shown here.
        self._copied = [0, 0]
        self._loaded: dict[str, Solution] = {}
        self._last: tuple[Any, ...] = ()
        # What the solution's module has: functions and the like, which come when it is loaded, and names besides.
        self.at_hand: dict[str, Any] = {}
        self._others: set[str] = set()
        # Names of builtins and of the setup's imports by which the tests mean the solution's.
        self.meant: set[str] = set()
        self._imported = imports_of(job["imports"])
        # Sources of the setup's functions, which run here.
        self.helpers: dict[str, str] = job["functions"]
        shared = os.getcwd()
        # A program could write modules into the shared folder: a test's own are in the judge's.
        sys.path_hooks.insert(0, lambda path: _no_modules(os.path.abspath(path or shared).startswith(shared)))
        sys.path_importer_cache.clear()
        self._ask = peer.ask
        peer.ask = self._remember  # type: ignore[method-assign]

    def _remember(self, op: str, /, *args: Any, **named: Any) -> Any:
        """Ask, and keep the last call that was made for its result, for messages."""
        if op != "call":
            return self._ask(op, *args, **named)
        self._last = (args, named, ())
        value = self._ask(op, *args, **named)
        self._last = (args, named, (value,))
        return value

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
        """Note under which name a test knows a class."""
        if type(value) is ProxyClass:
            self.peer.name_class(value, name)

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
        facts, at_hand, others = self.peer.ask("load", name)
        if facts is not None:
            raise SolutionFailedError(facts)
        self.at_hand = {name: value for name, value in at_hand.items() if type(name) is str}
        self._others = {name for name in others if type(name) is str}

    def decide(self, codes: Callable[[], Iterable[types.CodeType]]) -> None:
        """Decide once, over all tests, who is meant by names that the solution shares with Python or the setup."""
        shared = (self.at_hand.keys() | self._others) & (vars(builtins).keys() | self._imported.keys())
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
                value = self.peer.ask("get", "solution", name)
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
        (function, *args), named, result = self._last
        try:
            name = str(self._ask("getattr", function, "__name__"))
        except (AttributeError, ProgramLostError):
            name = "the program"
        shown = [self._shown(arg) for arg in args] + [f"{key}={self._shown(arg)}" for key, arg in named.items()]
        call = f"{name}({', '.join(shown)})"[:_MAX_SHOWN]
        return call, self._shown(result[0]) if result else None

    def last_object(self) -> str | None:
        """Return the type of the last call's result, if that is no plain value."""
        value = self._last[2][0] if self._last and self._last[2] else None
        # An object that the test itself has made, by calling its class, may be compared: it is under test.
        return type_name(type(value)) if isinstance(value, Proxy) and not value.iterpref_made else None

    @staticmethod
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
        self.session.peer.objects.test_modules.add(name)
        return vars(module)

    def names(self) -> dict[str, Any]:
        """Return the names that all tests without a module of their own share."""
        if self._names is None:
            self._names = self.namespace("test_solution")
        return self._names

    @contextlib.contextmanager
    def counting(self, namespace: dict[str, Any], source: str, filename: str = TEST) -> Iterator[types.CodeType | None]:
        """Count the assertions that a test comes to: a loop over nothing asserts nothing, and passes with any program.

        Yields:
            The code that counts; None where all assertions stand in the first column: whoever ends has come to them.

        Raises:
            TestFailedError: the test has assertions, and came to none.
        """
        counted = Counted(source, filename) if is_deep(source) else None
        if counted is None:
            namespace[REACHED] = list
            yield None
            return
        namespace[REACHED] = counted.count
        yield counted.code
        if counted.should_be_reached and not counted.reached:
            raise TestFailedError("no assertion of the test was reached")


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
    }


def _problem(error: BaseException, session: JudgeSession) -> str:
    """Return the problem of a test itself, or of its judge; empty if there is none."""
    if isinstance(error, NotCompiledError):
        return f"the test cannot be compiled: {error}"
    if isinstance(error, ModuleNotFoundError) and "_iterpref" not in error.__dict__:
        return f"the test needs package {error.name}, which is not installed"
    # `json.dumps` and `"".join` take no object that stands for one of `class Box(dict)`.
    raised = error.raised if isinstance(error, TestFailedError) else type(error).__name__
    if raised == "TypeError" and "_iterpref" not in error.__dict__ and session.peer.objects.stand_for_plain:
        kinds = ", ".join(sorted(set(session.peer.objects.stand_for_plain)))
        return f"{NOT_JUDGED}the test may need an object of {kinds} itself: {text_of(error)[:_MAX_SHOWN]}"
    return ""


def run_judge(raw: bytes, report: Report, peer: Peer, printed: tuple[int, int], folder: str) -> int:
    """Judge a program: run the steps of a job one after the other, and report each.

    Args:
        raw: a pickled dictionary of the supervisor's: `steps`, a list of (kind, body); `modules`, the names that
            the solution is imported by; `eager`, whether it runs before the tests, by itself, or when they import it;
            `imports` and `functions` of the setup; `key`, by which reports are signed.
        report: writes a report: step, kind, bytes that the program has printed, and further facts.
        peer: is connected to the program.
        printed: descriptors of the program's output.
        folder: the judge's own.

    Returns:
        Exit status of the judge.
    """
    job = pickle.loads(raw)
    sys.setrecursionlimit(sys.getrecursionlimit() + 500)
    sys.set_int_max_str_digits(0)  # a program may have raised the limit for both
    session = JudgeSession(job, peer, printed, folder)
    finder = Finder(session, job["modules"])
    sys.meta_path.insert(0, finder)
    judge = Judge(session)
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
            session.decide(lambda: codes_of(job["steps"]))
        tell("loaded", "")
        for index, (name, body) in enumerate(job["steps"]):  # noqa: B007 - `tell` reads it
            _, file = KINDS[name].files(body)
            test = TEST if file == TEST else os.path.join(folder, file)
            said = KINDS[name].judge(body, judge)
            if peer.lost:
                raise ProgramLostError(peer.lost)
            if peer.caught:
                raise peer.caught[0]
            tell(*said)
        index = len(job["steps"])
        tell("done", "")
    except SolutionFailedError as error:
        tell("error", error.facts)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the answer
        if peer.lost:
            tell("lost", {"why": peer.lost, "call": session.last_call()[0]})
        elif problem := _problem(error, session):
            tell("unfit", problem)
        else:
            tell("error", facts_of(error, session, test))
    return LOST if peer.lost else 0
