"""Peer: one of the two sides of a judged program, the judge or the program, as it talks with the other.

Either side asks (`call` this, `getattr` of that) and answers; while it waits for an answer it may be asked itself, as
when the program calls a function of the test. Each thread of a side has a thread on the other that serves it, so a
conversation is nested properly: every message names its thread, and thread 0 is the main one.

    judge    [0, "ask", "call", 7, "", ...]    f(2): handle 7, its arguments are in the second line of the frame
    program  [0, "answer", ...]                the result, and what it changed in the arguments

The judge does not trust the program. Whatever arrives is data; a program reaches only objects that the test has handed
to it, through their ordinary protocol and public attributes, and never modules, frames or what functions hold.
"""

import builtins
import copy
import enum
import importlib
import sys
import threading
import types
import weakref
from collections import deque
from collections.abc import Callable, Generator
from typing import Any

from . import stand_ins
from .crossing import MAPPINGS, PARTS, Decoder, Encoder
from .loading import text_of
from .stand_ins import StandIn, StandInClass, StandInExceptionClass
from .wire import Wire, WireClosedError, dumps, loads

_CHAIN = 5
"""Causes of causes of an exception that cross with it."""
_PLAIN_ATTRIBUTES = ("name", "path")
"""Of builtin exceptions, which hold them beside their arguments."""
_STEP_S = 0.001
"""Seconds that a loop of coroutines runs on one side before the other's has a turn."""
_NO_MODULES = frozenset({"unittest", "pytest", "_pytest", "doctest", "bdb", "pdb", "mock"})
"""Where a program takes no exceptions and modules from: they would speak to the test's runner."""
_ABOUT = frozenset({"__name__", "__qualname__", "__doc__", "__module__"})
_INNARDS = ("gi_", "cr_", "ag_", "f_", "tb_", "co_")
_OPEN_MODULES = frozenset(
    {
        *("_io", "io", "builtins", "collections", "re", "queue", "_queue", "threading", "_thread"),
        *("datetime", "functools", "itertools", "random"),
    }
)
"""Whose objects a program may use by their public names, if a test hands them over."""
_HIDDEN = (types.ModuleType, types.FrameType, types.CodeType, types.TracebackType)


def _shared_types() -> dict[int, tuple[str, str]]:
    named: dict[int, tuple[str, str]] = {}
    for module in (builtins, types):
        for name, value in vars(module).items():
            if isinstance(value, type) and not name.startswith("_"):
                named.setdefault(id(value), (module.__name__, name))
    for kind in (*PARTS, *MAPPINGS.values(), deque):
        named.setdefault(id(kind), (kind.__module__, kind.__name__))
    return named


SHARED = _shared_types()
"""Types that are the same on both sides, by identity: whatever a program puts in their place is its own."""
_SHARED_NAMES = frozenset(SHARED.values())


class ProgramLostError(BaseException):
    """The program has ended, or says what no program says; the test cannot go on."""


def lookup(module: str, qualname: str) -> Any:
    """Return what a module has under a name; it is imported if it has to be."""
    found = importlib.import_module(module)
    for part in qualname.split("."):
        found = getattr(found, part)
    return found


class Peer:
    """One side of the conversation.

    Args:
        wire: to the other.
        judge: this is the judge's side, which trusts nothing.
        line_of: says in which line of the program an exception was raised.

    Attributes:
        lost: why the other side is gone; empty while it is there.
        test_modules: names of the modules that are the test's own.
        operations: what this side can be asked besides objects' protocol, by name.
        before_sending, after_receiving: called around messages.
        drivers: of coroutines of the other side that are under way.
    """

    def __init__(
        self, wire: Wire, *, judge: bool, line_of: Callable[[BaseException], int | None] | None = None
    ) -> None:
        self._wire, self.judge, self._line_of = wire, judge, line_of
        self.lost = ""
        self.test_modules: set[str] = set()
        self.operations: dict[str, Callable[..., Any]] = {}
        self.before_sending: Callable[[], None] = lambda: None
        self.after_receiving: Callable[[], None] = lambda: None
        self.drivers: dict[int, Generator[None, Any, Any]] = {}
        self._kept: list[Any] = []
        self._handles: dict[Any, int] = {}
        self._described: set[int] = set()
        self._news: list[Any] = []
        self._classes: dict[int, type] = {}
        self._theirs: dict[int, int] = {}
        self._stand_ins: weakref.WeakValueDictionary[int, StandIn] = weakref.WeakValueDictionary()
        self._class_names: dict[int, set[str]] = {}
        self._loop: Any = None
        self._tasks: list[Any] = []
        self._turn = threading.Condition(threading.Lock())
        self._sending = threading.Lock()
        self._queues: dict[int, deque[tuple[Any, str]]] = {0: deque()}
        self._reading = self._has_reader = False
        self._thread = threading.local()
        self._thread.number = 0
        self._next_thread = 2 if judge else 1

    # Asking

    def ask(self, op: str, handle: int | None, name: str = "", args: Any = (), named: Any = None) -> Any:
        """Have the other side do something; return what it gives, or raise what it raises.

        Raises:
            ProgramLostError: it is gone.
        """
        number = self._my_number()
        values, encoder = self._encoded(lambda encoder: self._arguments(encoder, args, named or {}))
        busy = self.judge and threading.active_count() > 1
        self._send([number, "ask", op, handle, name, self._take_news(), busy], values)
        result = self._answer(number, encoder.containers)
        if self.judge and op == "getattr" and type(result) is StandInClass:
            self.name_class(result, name)
        return result

    def _arguments(self, encoder: Encoder, args: Any, named: dict[str, Any]) -> Any:
        return [[encoder.tree(arg) for arg in args], [[key, encoder.tree(arg)] for key, arg in named.items()]]

    def _encoded(self, make: Callable[[Encoder], Any], containers: Any = ()) -> tuple[str, Encoder]:
        encoder = Encoder(self, containers)
        try:
            return dumps(make(encoder)), encoder
        except ValueError:  # an integer has more digits than can be written
            encoder = Encoder(self, containers, tag_ints=True)
            return dumps(make(encoder)), encoder

    def _answer(self, number: int, containers: list[Any]) -> Any:
        while True:
            header, values = self._next(number)
            if header[1] == "ask":
                self._serve(number, header, values)
                continue
            with self._reading_values():
                self._learn(header[2])
                decoder = Decoder(self, containers)
                changes, result = loads(values)
                if changes is not None:
                    self._change(decoder, changes, len(containers))
                value = decoder.value(result)
                if header[1] == "raise" and not isinstance(value, BaseException):
                    raise TypeError("no exception")
            if header[1] == "raise":
                raise value
            return value

    def _change(self, decoder: Decoder, changes: list[Any], count: int) -> None:
        for container, tree in zip(decoder.containers[:count], changes, strict=True):
            decoder.fill(container, tree)

    def _reading_values(self) -> "_Reading":
        return _Reading(self)

    def lose(self, why: str) -> None:
        """Note that the other side is gone, once."""
        with self._turn:
            self.lost = self.lost or why
            self._turn.notify_all()

    # Answering

    def serve(self) -> None:
        """Answer whatever is asked in this thread, until the other side is gone."""
        number = self._my_number()
        while True:
            header, values = self._next(number)
            self._serve(number, header, values)

    def _serve(self, number: int, header: Any, values: str) -> None:
        with self._reading_values():
            _, _, op, handle, name, news, busy = header
            self._learn(news)
            decoder = Decoder(self)
            given, pairs = loads(values)
            args = [decoder.value(tree) for tree in given]
            named = {str(key): decoder.value(tree) for key, tree in pairs}
            target = None if handle is None else self._kept[handle]
        if busy and not self.judge:
            self._start_reader()
        containers = list(decoder.containers)
        kind = "answer"
        try:
            result = self._perform(op, target, name, args, named)
        except ProgramLostError:
            raise
        except BaseException as error:  # noqa: BLE001 - it is what the other side is told
            result, kind = error, "raise"

        def reply(encoder: Encoder) -> Any:
            changes = self._changes(encoder, containers, args, named, values)
            return [changes, encoder.tree(result)]

        try:
            text, _ = self._encoded(reply, containers)
            self._send([number, kind, self._take_news()], text)
        except (RecursionError, OverflowError, MemoryError, ValueError, TypeError) as error:
            problem = TypeError(f"the value cannot leave the program: {error}")
            text, _ = self._encoded(lambda encoder: [None, encoder.tree(problem)])
            self._send([number, "raise", self._take_news()], text)

    def _changes(self, encoder: Encoder, containers: list[Any], args: Any, named: Any, values: str) -> Any:
        """Return the contents of all containers that came, or None if they are as they were."""
        if not containers:
            return None
        again, _ = self._encoded(lambda fresh: self._arguments(fresh, args, named))
        return None if again == values else [encoder.contents(container) for container in containers]

    def _perform(self, op: str, target: Any, name: str, args: list[Any], named: dict[str, Any]) -> Any:  # noqa: C901, PLR0912
        match op:
            case "call":
                return target(*args, **named)
            case "getattr" | "member":
                owner = args[0] if op == "member" else target
                self._check_attribute(owner, name)
                return getattr(owner, name)
            case "setattr":
                self._check_attribute(target, name, change=True)
                return setattr(target, name, args[0])
            case "delattr":
                self._check_attribute(target, name, change=True)
                return delattr(target, name)
            case "op":
                if name not in stand_ins.PROTOCOL and name != "close":
                    raise AttributeError(name)
                if name == "close":
                    return target.close()
                return getattr(type(target), name)(target, *args, **named)
            case "dir":
                return [each for each in dir(target) if not self.judge or not each.startswith("_")]
            case "isinstance":
                return isinstance(args[0], target)
            case "issubclass":
                return issubclass(args[0], target)
            case "copy":
                return copy.copy(target)
            case "deepcopy":
                return copy.deepcopy(target)
            case "signature":
                return _signature_facts(target)
            case "await":
                return self._start_task(target)
            case "step":
                return self._step(args[0])
            case "cancel":
                return self._tasks[args[0]].cancel()
        return self.operations[op](*args, **named)

    def _check_attribute(self, target: Any, name: str, *, change: bool = False) -> None:
        """Refuse what a program must not reach from an object that a test has handed to it.

        Raises:
            AttributeError: it is none of the object's own public attributes.
        """
        if not self.judge or (name in _ABOUT and not change):
            return
        kind = target if isinstance(target, type) else type(target)
        if change and (kind is target or self._runs_tests(kind)):
            raise AttributeError(f"{kind.__name__!r} object attribute {name!r} is read-only")
        own = [base for base in kind.__mro__ if base.__module__ in self.test_modules]
        known = bool(own) and (change or name in getattr(target, "__dict__", ()))
        known = known or any(name in vars(base) for base in own)
        known = known or (kind.__module__ in _OPEN_MODULES and not change and not name.startswith(_INNARDS))
        if not known or name.startswith("_"):
            raise AttributeError(f"{kind.__name__!r} object has no attribute {name!r}")

    @staticmethod
    def _runs_tests(kind: type) -> bool:
        """Tell whether objects of a class are tests, whose assertions a program must not replace."""
        named = any(base.__name__.startswith("Test") for base in kind.__mro__)
        return named or any(base.__module__.partition(".")[0] in _NO_MODULES for base in kind.__mro__)

    # Threads and messages

    def _my_number(self) -> int:
        number = getattr(self._thread, "number", None)
        if number is None:
            with self._turn:
                number = self._thread.number = self._next_thread
                self._next_thread += 2
                self._queues[number] = deque()
        return int(number)

    def _send(self, header: list[Any], values: str) -> None:
        self.before_sending()
        if self.lost:
            raise ProgramLostError(self.lost)
        try:
            with self._sending:
                self._wire.send(dumps(header), values)
        except WireClosedError as error:
            self.lose(str(error))
            raise ProgramLostError(self.lost) from None

    def _next(self, number: int) -> tuple[Any, str]:
        """Wait for the next message of a thread; whoever waits and finds nobody reading reads for all."""
        while True:
            with self._turn:
                while not self._queues[number] and self._reading and not self.lost:
                    self._turn.wait()
                if self._queues[number]:
                    return self._queues[number].popleft()
                if self.lost:
                    raise ProgramLostError(self.lost)
                self._reading = True
            message = self._read()
            with self._turn:
                self._reading = False
                if message is not None:
                    self._deliver(message)
                self._turn.notify_all()

    def _read(self) -> tuple[Any, str] | None:
        try:
            header, values = self._wire.receive()
            self.after_receiving()
            if type(header) is not list or type(header[0]) is not int or len(header) not in (3, 7):
                raise WireClosedError("no message")
            return header, values
        except (WireClosedError, LookupError) as error:
            self.lost = self.lost or str(error) or "no message"
            return None

    def _deliver(self, message: tuple[Any, str]) -> None:
        number = message[0][0]
        if number not in self._queues:
            if message[0][1] != "ask" or len(self._queues) > 64:
                self.lost = self.lost or "an answer to nothing"
                return
            self._queues[number] = deque()
            threading.Thread(target=self._serve_thread, args=(number,), daemon=True).start()
        self._queues[number].append(message)

    def _serve_thread(self, number: int) -> None:
        self._thread.number = number
        try:
            self.serve()
        except ProgramLostError:
            return

    def _start_reader(self) -> None:
        """Read also while the main thread is busy: the other side has more than one."""
        with self._turn:
            if self._has_reader:
                return
            self._has_reader = True
            self._queues[-1] = deque()

        def read() -> None:
            self._thread.number = -1
            try:
                self.serve()
            except ProgramLostError:
                return

        threading.Thread(target=read, daemon=True).start()

    # References

    def name_class(self, kind: Any, name: str) -> None:
        """Note under which name a test has found a class of the program."""
        self._class_names.setdefault(kind.iterpref_class, set()).add(name)

    def is_under_test(self, kind: Any) -> bool:
        """Tell whether objects of a class decide about themselves: it is called as classes are, not as functions."""
        names = self._class_names.get(kind.iterpref_class, set())
        return bool(names) and all(name.lstrip("_")[:1].isupper() for name in names)

    def may_decide(self, stand_in: Any, other: Any) -> bool:
        """Tell whether an object of the other side may say what a comparison or computation with a value gives."""
        if not self.judge or stand_in.iterpref_made:
            return True
        return isinstance(type(other), StandInClass) or type(other) in (StandInClass, StandInExceptionClass)

    def _keep(self, value: Any) -> int:
        key: Any = id(value)
        if type(value) is types.MethodType:
            key = (id(value.__self__), id(value.__func__))
        handle = self._handles.get(key)
        if handle is None:
            handle = self._handles[key] = len(self._kept)
            self._kept.append(value)
        return handle

    def refer(self, value: Any, encoder: Encoder) -> Any:  # noqa: C901 - one a kind
        """Return the tree of what is no plain data."""
        kind = type(value)
        if isinstance(kind, StandInClass):
            return {"y": value.iterpref_handle}
        if kind is StandInClass or kind is StandInExceptionClass:
            return {"y": value.iterpref_class}
        if isinstance(value, type):
            if id(value) in self._theirs:
                return {"y": self._theirs[id(value)]}
            name = self._name_of(value)
            return {"g": name} if name else {"k": self._class_number(value)}
        if isinstance(value, BaseException):
            return self._exception_tree(value, encoder, _CHAIN)
        if kind is types.TracebackType:
            return None  # frames stay where they are
        if isinstance(value, types.ModuleType):
            return {"m": [value.__name__, *([] if self.judge else self._object(value))]}
        if isinstance(value, enum.Enum):
            member = value._name_ if kind.__members__.get(value._name_ or "") is value else None
            if id(kind) in self._theirs or self._describes(kind, "enum"):
                held = encoder.tree(value._value_) if member is None else None
                return {"e": [self._class_reference(kind), member, held]}
        elif issubclass(kind, tuple) and (id(kind) in self._theirs or stand_ins.is_namedtuple(kind)):
            return {"N": [self._class_reference(kind), [encoder.tree(item) for item in value]]}
        name = self._name_of(value)
        if name:
            return {"g": name}
        if self.judge and isinstance(value, _HIDDEN):
            raise TypeError(f"{kind.__name__} objects stay with the test")
        return {"o": self._object(value)}

    def _object(self, value: Any) -> list[int]:
        return [self._keep(value), self._class_number(type(value))]

    def _describes(self, kind: type, sort: str) -> bool:
        self._class_number(kind)
        return self._sorts.get(id(kind)) == sort

    @property
    def _sorts(self) -> dict[int, str]:
        return self.__dict__.setdefault("_sort_by_class", {})  # type: ignore[no-any-return]

    def _class_reference(self, kind: type) -> list[Any]:
        if id(kind) in self._theirs:
            return ["theirs", self._theirs[id(kind)]]
        return ["mine", self._class_number(kind)]

    def _name_of(self, value: Any) -> tuple[str, str] | None:
        """Return where the other side finds the same class or function; None if it is to be asked for it."""
        if id(value) in SHARED and isinstance(value, type):
            return SHARED[id(value)]
        if not self.judge or not isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
            return None
        module, qualname = value.__module__, value.__qualname__
        if not module or module in self.test_modules or module not in sys.modules or "<" in qualname:
            return None
        try:
            return (module, qualname) if lookup(module, qualname) is value else None
        except (AttributeError, ImportError):
            return None

    def _class_number(self, kind: type) -> int:
        handle = self._keep(kind)
        if handle not in self._described:
            self._described.add(handle)
            facts = self._describe(kind)
            self._sorts[id(kind)] = facts["sort"]
            self._news.append([handle, facts])
        return handle

    def _take_news(self) -> list[Any]:
        news, self._news = self._news, []
        return news

    def _describe(self, kind: type) -> dict[str, Any]:
        doc = kind.__dict__.get("__doc__")
        facts: dict[str, Any] = {
            "sort": "object",
            "name": kind.__name__,
            "qualname": kind.__qualname__,
            "module": str(kind.__module__),
            "doc": doc if type(doc) is str else None,
        }
        if issubclass(kind, BaseException):
            bases = [base for base in kind.__bases__ if issubclass(base, BaseException)]
            return facts | {"sort": "exception", "bases": [self._base(base) for base in bases]}
        enumeration = stand_ins.enum_facts(kind) if issubclass(kind, enum.Enum) else None
        if enumeration:
            fresh = Encoder(self)
            members = [[name, fresh.tree(member._value_)] for name, member in kind._member_map_.items()]  # type: ignore[attr-defined]
            return facts | enumeration | {"sort": "enum", "members": members}
        if stand_ins.is_namedtuple(kind):
            return facts | {"sort": "namedtuple", "fields": list(kind._fields)}  # type: ignore[attr-defined]
        methods: set[str] = set()
        for base in kind.__mro__[:-1]:
            methods |= vars(base).keys() & stand_ins.PROTOCOL
        if getattr(kind, "__hash__", None) is None:
            methods.discard("__hash__")
        fields = getattr(kind, "__dataclass_fields__", None)
        return facts | {
            "bases": [self._base(base) for base in kind.__bases__ if base is not object and not self._name_of(base)],
            "methods": sorted(methods),
            "coroutine": kind is types.CoroutineType,
            "function": kind in stand_ins.FUNCTIONS,
            "fields": list(fields) if type(fields) is dict else None,
        }

    def _base(self, base: type) -> Any:
        return SHARED.get(id(base)) or self._class_number(base)

    def _learn(self, news: list[Any]) -> None:
        for handle, facts in news:
            if handle not in self._classes:
                self._classes[handle] = self._made_class(handle, facts)

    def _made_class(self, handle: int, facts: dict[str, Any]) -> type:
        sort = facts["sort"]
        if sort == "exception":
            known = self._known_exception(facts)
            bases = tuple(
                self._classes[base] if type(base) is int else lookup(*self._shared(base)) for base in facts["bases"]
            )
            return known or stand_ins.make_exception_class(self, handle, facts, bases)
        if sort == "enum":
            decoder = Decoder(self)
            members = [(str(name), decoder.value(tree)) for name, tree in facts["members"]]
            made: type = stand_ins.make_enum(self, handle, facts, members)
        elif sort == "namedtuple":
            made = stand_ins.make_namedtuple(self, handle, facts)
        else:
            bases = tuple(self._classes[base] for base in facts["bases"] if type(base) is int)
            return stand_ins.make_class(self, handle, facts, bases)
        self._theirs[id(made)] = handle
        return made

    @staticmethod
    def _shared(name: Any) -> tuple[str, str]:
        if tuple(name) not in _SHARED_NAMES:
            raise LookupError("no shared type")
        return (name[0], name[1])

    def _known_exception(self, facts: dict[str, Any]) -> type | None:
        """Return the class of the standard library that a class of exceptions is, if a test can know it."""
        module, qualname = str(facts["module"]), str(facts["qualname"])
        root = module.partition(".")[0]
        if root in _NO_MODULES or module not in sys.modules or module in ("__main__", *self.test_modules):
            return None
        if root not in sys.stdlib_module_names and root != "numpy":
            return None
        try:
            found = lookup(module, qualname)
        except (AttributeError, ImportError):
            return None
        return found if isinstance(found, type) and issubclass(found, Exception) else None

    def _exception_tree(self, error: BaseException, encoder: Encoder, depth: int) -> Any:
        seen = error.__dict__.get("_iterpref")
        if seen is not None:
            return {"y": seen[0]}
        line = None if self._line_of is None else self._line_of(error)
        if not self.judge:
            error.__traceback__ = None

        def related(other: BaseException | None) -> Any:
            return None if other is None or depth == 0 else self._exception_tree(other, encoder, depth - 1)

        attributes = [[key, encoder.tree(value)] for key, value in vars(error).items()]
        attributes += [
            [key, getattr(error, key)] for key in _PLAIN_ATTRIBUTES if type(getattr(error, key, None)) is str
        ]
        kind = type(error)
        args = error.args
        if isinstance(error, OSError) and error.filename is not None and len(args) == 2:
            args = (*args, error.filename)
        return {
            "x": [
                self._keep(error),
                self._name_of(kind) or self._class_number(kind),
                [encoder.tree(arg) for arg in args],
                text_of(error),
                attributes,
                related(error.__cause__),
                related(error.__context__),
                error.__suppress_context__,
                line,
            ]
        }

    def _made_exception(self, body: list[Any], decoder: Decoder) -> BaseException:
        handle, kind, args, text, attributes, cause, context, suppress, line = body
        found = self._classes[kind] if type(kind) is int else self.resolve("g", kind, decoder)
        if not (isinstance(found, type) and issubclass(found, BaseException)):
            raise TypeError("no exception")
        values = tuple(decoder.value(arg) for arg in args)
        held = {str(key): decoder.value(tree) for key, tree in attributes}
        try:
            made = found.__new__(found, *values)
            if not isinstance(found, StandInExceptionClass):
                made.__init__(*values)  # type: ignore[misc]
        except Exception:  # noqa: BLE001 - a class whose arguments are not those it keeps
            made = BaseException.__new__(found)
        if not isinstance(made, OSError):
            made.args = values
        for key, value in held.items():
            if key in _PLAIN_ATTRIBUTES and not isinstance(found, StandInExceptionClass):
                setattr(made, key, value)
            else:
                made.__dict__[key] = value
        made.__dict__["_iterpref"] = (handle, str(text), line)
        for name, other in (("__cause__", cause), ("__context__", context)):
            if other is not None:
                setattr(made, name, decoder.value(other))
        made.__suppress_context__ = bool(suppress)
        return made

    def resolve(self, tag: str, body: Any, decoder: Decoder) -> Any:
        """Return what a tree of `refer` stands for here."""
        match tag:
            case "y":
                return self._kept[body]
            case "o":
                return self._stand_in(*body)
            case "k":
                return self._classes[body]
            case "g":
                return lookup(*(self._shared(body) if self.judge else body))
            case "x":
                return self._made_exception(body, decoder)
            case "m":
                return self._module(*body)
            case "e":
                kind: Any = self._referenced(body[0])
                return kind[body[1]] if body[1] is not None else kind(decoder.value(body[2]))
            case "N":
                kind = self._referenced(body[0])
                return tuple.__new__(kind, [decoder.value(item) for item in body[1]])
        raise LookupError("no such tag")

    def _stand_in(self, handle: int, kind: int) -> StandIn:
        found = self._stand_ins.get(handle)
        if found is None:
            made = self._classes[kind]
            if not isinstance(made, StandInClass):
                raise TypeError("no class of objects")
            found = self._stand_ins[handle] = stand_ins.make_object(made, handle)
        return found

    def _referenced(self, reference: list[Any]) -> Any:
        whose, handle = reference
        return self._classes[handle] if whose == "mine" else self._kept[handle]

    def _module(self, name: str, handle: int | None = None, kind: int | None = None) -> Any:
        root = name.partition(".")[0]
        if not self.judge or (root not in _NO_MODULES and name not in self.test_modules):
            try:
                return importlib.import_module(name)
            except Exception:
                if not self.judge:
                    raise
        if handle is None or kind is None:
            raise LookupError("no such module")
        return self._stand_in(handle, kind)

    # Coroutines

    def drive(self, stand_in: Any) -> Generator[None, Any, Any]:
        """Await what the other side can await: it has a loop of its own, and both have turns."""
        task = self.ask("await", stand_in.iterpref_handle)
        while True:
            done, value = self.ask("step", None, "", (task,))
            if done:
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
        return (True, task.result()) if task.done() else (False, None)

    def signature(self, handle: int) -> Any:
        """Return the signature of a function of the other side.

        Raises:
            AttributeError: it has none.
        """
        import inspect

        try:
            facts = self.ask("signature", handle)
            kinds: list[Any] = list(type(inspect.Parameter.POSITIONAL_ONLY))  # type: ignore[call-overload]
            return inspect.Signature(
                [
                    inspect.Parameter(name, kinds[kind], default=default if has else inspect.Parameter.empty)
                    for name, kind, has, default in facts
                ]
            )
        except (TypeError, ValueError):
            raise AttributeError("__signature__") from None


class _Reading:
    """The reading of what the other side has written: on the judge's side, what cannot be read ends the test."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, _trace: Any) -> None:
        if error is None or isinstance(error, ProgramLostError) or not self._peer.judge:
            return
        self._peer.lose("tampered")
        raise ProgramLostError("tampered") from error


def _signature_facts(function: Any) -> list[tuple[str, int, bool, Any]]:
    import inspect

    parameters = inspect.signature(function).parameters.values()
    empty = inspect.Parameter.empty
    return [
        (each.name, int(each.kind), each.default is not empty, None if each.default is empty else each.default)
        for each in parameters
    ]
