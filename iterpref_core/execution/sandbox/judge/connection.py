"""Connection: one end of the conversation between a judge and its program.

Either side asks (`call` this, `getattr` of that) and answers; while it waits for an answer it may be asked itself, as
when the program calls a function of the test. Each thread of a side has a thread on the other that serves it, so a
conversation is nested properly: every message names its thread, and thread 0 is the main one.

    judge    [0, "ask", "call", 7, "", ...]    f(2): handle 7, its arguments are in the second line of the frame
    program  [0, "answer", ...]                the result, and changes in the arguments

The judge does not trust the program. All that arrives is data; a program reaches only objects that the test has handed
to it, through their ordinary protocol and public attributes, and never modules, frames or the insides of functions.
"""

import copy
import sys
import threading
import types
from collections.abc import Callable, Generator
from typing import Any

from ...codec.marshalling import Decoder, Encoder
from ...codec.plain import dumps, loads
from . import allowed_requests, proxies
from .messages import Messages, ProgramLostError
from .proxies import ProxyClass
from .references import ObjectTable
from .replicas import Budget, Replicas, are_used

_NESTING = 6000
"""Calls of Python's for which there is room when a value is written: each level of nesting takes three."""
_set_limit = sys.setrecursionlimit  # a judge puts a function of its own in its place
_STEP_S = 0.001
"""Seconds that a loop of coroutines runs on one side before the other's has a turn."""
_KNOWN = (*proxies.FUNCTIONS, types.ModuleType, types.GeneratorType)
"""Classes of which most programs have objects that cross."""


class Connection(Messages, ObjectTable):
    """One side of the conversation.

    Args:
        is_judge: this is the judge's side, which trusts nothing.

    Attributes:
        operations: functions that the other side may ask for besides objects' protocol, by name.
        drivers: of coroutines of the other side that are under way.
        is_assertion: tells whether an error is a failed assertion of this side.
        unpickled: makes an object of the other side of what that side has pickled.
        measured: handles of the other side's objects whose length was asked for.
        swallowed: failed assertions of this side that the other has caught, and not raised again.
    """

    def __init__(self, *, is_judge: bool) -> None:
        # No number is given twice: threads of the test are 2, 4, ..., the program's own 1, 3, ...
        Messages.__init__(self, first_thread=2 if is_judge else 1)
        ObjectTable.__init__(self, is_judge=is_judge)
        self.operations: dict[str, Callable[..., Any]] = {}
        self.drivers: dict[int, Generator[None, Any, Any]] = {}
        self.is_assertion: Callable[[BaseException], bool] = lambda _: False
        self.swallowed: list[BaseException] = []
        self._exits: dict[int, BaseException] = {}
        # Private attributes that the program has given to objects of this side, by their identity; all are kept.
        self._given: set[tuple[int, str]] = set()
        self.measured: set[int] = set()
        self.unpickled = self._unpickler()
        self._budget = Budget(is_judge=is_judge)
        self._replicas: dict[int, Replicas] = {}
        self._loop: Any = None
        self._tasks: list[Any] = []

    def _unpickler(self) -> Callable[[bytes], Any]:
        def unpickled(data: bytes) -> Any:
            return self.ask("unpickled", None, "", (data,))

        # pickle writes a function down by its name, under which it must be found.
        unpickled.__module__ = "builtins"
        unpickled.__name__ = unpickled.__qualname__ = "__iterpref_unpickled__"
        return unpickled

    # Asking

    def ask(self, op: str, handle: int | None, name: str = "", args: Any = (), named: Any = None) -> Any:
        """Have the other side do something; return its result, or raise its exception.

        Raises:
            ProgramLostError: it is gone.
        """
        if self.looks:
            # One that is still used may show what was, where plain Python's shows what is.
            self._budget.is_by_copies = self._budget.is_by_copies or are_used(self.looks)
            self.looks.clear()
        number = self._my_number()
        busy = self.is_judge and threading.active_count() > 1

        replicas = self._replicas_of(number)

        def arguments(encoder: Encoder) -> Any:
            given = self._arguments(encoder, args, named or {})
            updates = replicas.updates(encoder)
            return given if updates is None else [*given, updates]

        with self._outgoing:
            values, tree, encoder = self._encoded(arguments, replicas)
            header = [number, "ask", op, handle, name, self._take_definitions(), busy]
            self._send(header, values)
            replicas.sent(encoder.containers, tree[2] if len(tree) == 3 else None)
        keeps_made = op == "op" and name in proxies.KEEPS_ITSELF
        result = self._answer(number, keeps_made=keeps_made)
        if self.is_judge and op == "getattr":
            # None says that an object leaves all to the operators of its class.
            if name in proxies.DECIDES_FOR_LIBRARIES and result is not None:
                raise AttributeError(name)
            if type(result) is ProxyClass:
                self.name_class(result, name)
        return result

    def _arguments(self, encoder: Encoder, args: Any, named: dict[str, Any]) -> Any:
        # f([1, 2], key="a") has [[[1,2]],[["key","a"]]]
        given = [encoder.tree(arg) for arg in args]
        by_name = [[key, encoder.tree(arg)] for key, arg in named.items()]
        return [given, by_name]

    def is_by_copies(self) -> bool:
        """Tell whether some containers of both sides may not have been alike."""
        return self._budget.is_by_copies

    def _replicas_of(self, number: int) -> Replicas:
        if number not in self._replicas:
            self._replicas[number] = Replicas(self._budget)
        return self._replicas[number]

    def _encoded(self, make: Callable[[Encoder], Any], replicas: Replicas) -> tuple[str, Any, Encoder]:
        try:
            return self._encoded_flat(make, replicas)
        except RecursionError:
            with _deeper(_NESTING):
                return self._encoded_flat(make, replicas)

    def _encoded_flat(self, make: Callable[[Encoder], Any], replicas: Replicas) -> tuple[str, Any, Encoder]:
        encoder = Encoder(self, replicas.numbers, replicas.first)
        try:
            tree = make(encoder)
            return dumps(tree), tree, encoder
        except ValueError:  # an integer has more digits than can be written
            encoder = Encoder(self, replicas.numbers, replicas.first, tag_ints=True)
            tree = make(encoder)
            return dumps(tree), tree, encoder

    def _answer(self, number: int, *, keeps_made: bool = False) -> Any:
        replicas = self._replicas_of(number)
        while True:
            # The other side may ask before it answers. For `f(print_it)` with a function of the test:
            #   judge    ask     call f, with print_it by reference
            #   program  ask     call print_it      served here, in the middle of waiting
            #   judge    answer  its result
            #   program  answer  the result of f
            header, values = self._next(number)
            if header[1] == "ask":
                self._serve(number, header, values)
                continue
            with self._reading_values(), _deeper(2 * _NESTING):
                decoder = Decoder(self, replicas.container, replicas.first, keeps_made=keeps_made)
                updates, result = loads(values)
                replicas.heed(decoder, updates)
                value = decoder.value(result)
                replicas.received(decoder.containers)
                if header[1] == "raise" and not isinstance(value, BaseException):
                    raise TypeError("no exception")
            if header[1] == "raise":
                self.swallowed = [error for error in self.swallowed if error is not value]
                raise value
            return value

    def _heed(self, header: list[Any]) -> None:
        definitions = header[5] if header[1] == "ask" else header[2]
        with self._reading_values():
            self.learn(definitions)

    def _reading_values(self) -> "_Reading":
        return _Reading(self)

    # Answering

    def _serve(self, number: int, header: Any, values: str) -> None:
        with self._reading_values(), _deeper(2 * _NESTING):
            _, _, op, handle, name, _, busy = header
            replicas = self._replicas_of(number)
            decoder = Decoder(self, replicas.container, replicas.first)
            given, pairs, *updates = loads(values)
            args = [decoder.value(tree) for tree in given]
            named = {str(key): decoder.value(tree) for key, tree in pairs}
            for each in updates:
                replicas.heed(decoder, each)
            replicas.received(decoder.containers)
            target, sort = self._asked_about(op, handle)
        if busy and not self.is_judge:
            self._start_reader()
        kind, result = self._outcome(op, target, name, args, named, sort)
        self._reply(number, kind, result)

    def answer_unasked(self, op: str, *args: Any) -> None:
        """Do something that the other side is sure to ask for, and answer; there the answer is `awaited`."""
        kind, result = self._outcome(op, None, "", list(args), {})
        self._reply(0, kind, result)

    def awaited(self) -> Any:
        """Return the answer that comes without a request, or raise its exception.

        Raises:
            ProgramLostError: the other side is gone.
        """
        return self._answer(0)

    def _asked_about(self, op: Any, handle: Any) -> tuple[Any, str]:
        """Return the object that a request is about, and its sort; none where the request is about no object.

        Raises:
            LookupError: the judge is asked about what it has not handed over, or in a way that no program asks.
        """
        if not self.is_judge:
            return (None if handle is None else self._kept[handle]), ""
        if handle is None:
            if op not in self.operations and op not in allowed_requests.ABOUT_NOTHING:
                raise LookupError("no such request")
            return None, ""
        sort = self.handed(handle)
        if not allowed_requests.is_known(op):
            raise LookupError("no such request")
        return self._kept[handle], sort

    def _outcome(
        self, op: str, target: Any, name: str, args: list[Any], named: dict[str, Any], sort: str = ""
    ) -> tuple[str, Any]:
        """Return the kind of an answer, and the result or the exception that it holds."""
        try:
            if sort:
                allowed_requests.check_request(sort, op, name)
                allowed_requests.check_call(target, args, named, self.is_handed)
            return "answer", self._perform(op, target, name, args, named)
        except ProgramLostError:
            raise
        except BaseException as error:  # noqa: BLE001 - it is what the other side is told
            if self.is_assertion(error):
                self.swallowed.append(error)
            return "raise", error

    def note_exit(self, name: str, args: tuple[Any, ...], said: Any) -> None:
        """Note that a context manager of the other side has ended, by an error that it may have swallowed.

        Args:
            name: `__exit__`, or `__aexit__`, whose coroutine will say so.
            args: class, error and trace.
            said: what the method returned.
        """
        error = args[1] if len(args) == 3 else None
        if not isinstance(error, BaseException) or not self.is_assertion(error):
            return
        if name == "__aexit__" and isinstance(said, proxies.Proxy):
            self._exits[said.iterpref_handle] = error
        elif said:
            self.swallowed.append(error)

    def _reply(self, number: int, kind: str, result: Any) -> None:
        replicas = self._replicas_of(number)

        def content(encoder: Encoder) -> Any:
            updates = replicas.updates(encoder)
            return [updates, encoder.tree(result)]

        with self._outgoing:
            try:
                self._send_answer(number, kind, content, replicas)
            except (RecursionError, OverflowError, MemoryError, ValueError, TypeError) as error:
                if kind == "answer" and not self.is_judge and self._replied_by_reference(number, result, replicas):
                    return
                problem = TypeError(f"the value cannot leave the program: {error}")
                self._send_answer(number, "raise", lambda encoder: [None, encoder.tree(problem)], replicas)

    def _send_answer(self, number: int, kind: str, content: Callable[[Encoder], Any], replicas: Replicas) -> None:
        text, tree, encoder = self._encoded(content, replicas)
        self._send([number, kind, self._take_definitions()], text)
        replicas.sent(encoder.containers, tree[0])

    def _replied_by_reference(self, number: int, result: Any, replicas: Replicas) -> bool:
        """Answer with a reference to a value that is too deep or too long to cross; return whether that worked."""
        try:
            self._send_answer(number, "answer", lambda _: [None, self.reference(result)], replicas)
        except (RecursionError, OverflowError, MemoryError, ValueError, TypeError):
            return False
        return True

    def _perform(self, op: str, target: Any, name: str, args: list[Any], named: dict[str, Any]) -> Any:  # noqa: C901, PLR0912
        match op:
            case "call":
                return target(*args, **named)
            case "getattr":
                self._check_attribute(target, name)
                return getattr(target, name)
            case "member":
                # A named tuple or a member of an enumeration is data, and comes with the request about its class.
                if type(args[0]) is not target or self._sorts.get(id(target)) not in ("enum", "namedtuple"):
                    raise AttributeError(name)
                self._check_attribute(args[0], name)
                return getattr(args[0], name)
            case "setattr":
                if self.is_judge and allowed_requests.may_be_given(target, name, self.test_modules):
                    self._given.add((id(target), name))
                self._check_attribute(target, name, change=True)
                return setattr(target, name, args[0])
            case "delattr":
                self._check_attribute(target, name, change=True)
                return delattr(target, name)
            case "op":
                if name == "close":
                    return target.close()
                if self.is_judge and name in ("__str__", "__repr__", "__format__"):
                    return allowed_requests.text_of(target, name, self.test_modules, args)
                return getattr(type(target), name)(target, *args, **named)
            case "dir":
                return [each for each in dir(target) if self._may_read(target, each)]
            case "isinstance":
                return isinstance(args[0], target)
            case "issubclass":
                return issubclass(args[0], target)
            case "copy":
                return copy.copy(target)
            case "deepcopy":
                return copy.deepcopy(target)
            case "signature":
                return _signature_facts(target, with_defaults=not self.is_judge)
            case "await":
                return self._start_task(target)
            case "step":
                return self._step(args[0])
            case "cancel":
                return self._tasks[args[0]].cancel()
        return self.operations[op](*args, **named)

    def _check_attribute(self, target: Any, name: str, *, change: bool = False) -> None:
        if self.is_judge and (id(target), name) not in self._given:
            allowed_requests.check_attribute(target, name, self.test_modules, change=change)

    def _may_read(self, target: Any, name: str) -> bool:
        try:
            self._check_attribute(target, name)
        except AttributeError:
            return False
        return True

    # Coroutines

    def drive(self, proxy: Any) -> Generator[None, Any, Any]:
        """Await an awaitable of the other side, which has a loop of its own; both loops have turns."""
        task = self.ask("await", proxy.iterpref_handle)
        while True:
            done, value = self.ask("step", None, "", (task,))
            if done:
                error = self._exits.pop(proxy.iterpref_handle, None)
                if error is not None and value:
                    self.swallowed.append(error)
                return value
            try:
                yield
            except BaseException:
                self.ask("cancel", None, "", (task,))
                raise

    def _running_loop(self) -> Any:
        import asyncio

        try:
            return asyncio.get_running_loop()
        except RuntimeError:
            return None

    def _start_task(self, awaitable: Any) -> int:
        import asyncio

        async def wait_for_it() -> Any:
            return await awaitable

        loop = self._running_loop()
        if loop is None:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
            loop = self._loop
        self._tasks.append(loop.create_task(wait_for_it()))
        return len(self._tasks) - 1

    def _step(self, number: int) -> tuple[bool, Any]:
        import asyncio

        task = self._tasks[number]
        if not task.done() and self._running_loop() is None:
            self._loop.run_until_complete(asyncio.wait([task], timeout=_STEP_S))
        if not task.done():
            return False, None
        return True, task.result()

    def signature(self, handle: int) -> Any:
        """Return the signature of a function of the other side.

        Raises:
            AttributeError: it has none.
        """
        import inspect

        try:
            facts, returned = self.ask("signature", handle)
            kinds: list[Any] = list(type(inspect.Parameter.POSITIONAL_ONLY))  # type: ignore[call-overload]
            parameters = []
            for name, kind, defaults, noted in facts:
                default = defaults[0] if defaults else inspect.Parameter.empty
                annotation = noted[0] if noted else inspect.Parameter.empty
                parameters.append(inspect.Parameter(name, kinds[kind], default=default, annotation=annotation))
            return inspect.Signature(parameters, return_annotation=returned[0] if returned else inspect.Signature.empty)
        except (TypeError, ValueError):
            raise AttributeError("__signature__") from None


def make_connections() -> tuple[Connection, Connection]:
    """Return the program's side and the judge's, not connected yet.

    A zygote makes them once. The two processes of each program begin with copies, and spend no time on the parts that
    are the same for all: locks, tables, and the classes of functions and modules, which the judge has learned.
    """
    program = Connection(is_judge=False)
    judge = Connection(is_judge=True)
    judge.learn(program.describe(_KNOWN))
    return program, judge


class _deeper:  # noqa: N801 - used like a function
    """More room for calls within calls, for nested values, whatever limit a test or a program has set."""

    def __init__(self, calls: int) -> None:
        self._calls = calls

    def __enter__(self) -> None:
        self._limit = sys.getrecursionlimit()
        _set_limit(self._limit + self._calls)

    def __exit__(self, *_: object) -> None:
        _set_limit(self._limit)


class _Reading:
    """The reading of a message; on the judge's side, one that cannot be read ends the test."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, _trace: Any) -> None:
        if error is None or isinstance(error, ProgramLostError) or not self._connection.is_judge:
            return
        self._connection.lose("tampered")
        raise ProgramLostError("tampered") from error


def _signature_facts(function: Any, *, with_defaults: bool) -> tuple[list[tuple[Any, ...]], list[Any]]:
    """Return the parameters of a function, and the annotation of its result.

    Defaults and annotations are lists, empty where there is none. Of a test's function, a default may be the value that
    is expected, and stays.
    """
    import inspect

    signature = inspect.signature(function)

    def given(value: Any) -> list[Any]:
        return [] if value is inspect.Signature.empty else [value]

    facts = []
    for each in signature.parameters.values():
        defaults = given(each.default)
        shown = defaults if with_defaults else [None for _ in defaults]
        facts.append((each.name, int(each.kind), shown, given(each.annotation)))
    return facts, given(signature.return_annotation)
