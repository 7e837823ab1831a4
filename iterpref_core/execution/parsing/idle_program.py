"""Write a program that does nothing, for some tests: if it passes them, they find no program wrong.

All names that the tests read exist in it. Functions take anything; attributes, operators and iteration raise no error,
since an error may be what a test wants:

    with pytest.raises(Exception):
        f(-1)                          an empty program passes this by a NameError; this program does not
"""

import re
from collections.abc import Iterable

from iterpref_core.programs.source_code.tested_names import tested_names
from iterpref_core.records import Test

IDLE_S = 1.0
"""CPU seconds for the tests of a program that does nothing; if they take longer, they count as failed."""
IDLE_WALL_S = 5.0
"""Real time for the same: `q.get()` waits for ever where the program has put nothing into the queue."""
JUDGES_ERRORS = re.compile(r"^([ \t]*)except\b.*(?:\n\1[ \t].*)*\bassert", re.MULTILINE)
"""A test that asserts something about an error that it has caught, which no program shows that raises none."""

_PROGRAM = """\
kept = []
def meddle(given):
    for each in given:
        changes = [lambda: each.append(0), lambda: each.update(nothing=0), lambda: list(each)]
        for change in changes + [lambda n=n: each(*[Nothing()] * n) for n in range(3)]:
            try: change()
            except (TypeError, AttributeError): pass
class Nothing:
    def __init__(self, *_, **__): {truth} or kept.append(self)
    def __call__(self, *given, **_): {call}
    def __getattr__(self, name):
        if name[:2] == "__": raise AttributeError(name)
        return self
    def __setattr__(self, name, value): pass
    def __bool__(self, *_): return {truth}
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __bool__
    __instancecheck__ = __subclasscheck__ = __bool__
    __hash__ = object.__hash__
    def __len__(self): return int({truth})
    __int__ = __index__ = __len__
    def __float__(self): return 1.0
    def __iter__(self, *_): return iter((self,))
    __await__ = __reversed__ = __iter__
    def _itself(self, *_): return self
numeric = "add sub mul matmul truediv floordiv mod divmod pow and or xor lshift rshift".split()
others = "neg pos abs invert round get set getitem setitem delitem enter exit".split()
for name in [*numeric, *("r" + name for name in numeric), *others]:
    setattr(Nothing, "__" + name + "__", Nothing._itself)
class Function(Nothing):
    def __bool__(self): return True
class Class(Function):
    def __call__(self, *_, **__): return Nothing()
def __getattr__(name):
    if name[:2] == "__": raise AttributeError(name)
    return Class() if name[:1].isupper() or name in {classes} else Function()
for name in {names}:
    globals().setdefault(name, __getattr__(name))
"""


def do_nothing(tests: Iterable[Test], truth: bool | None, names: Iterable[str] = (), right: str = "") -> str:
    """Return a program whose names, all that some tests read, do nothing.

    Args:
        tests: the tests.
        truth: of what a call of a function returns, and of all comparisons with it; None: a call returns None. A call
            of a class returns this object in any case. If it is false it lives on, and calls meddle with their
            arguments, because tests such as `f(xs); assert xs == [1]` or `f(lambda x: same(x, 1))` ask what a program
            does with them.
        names: further names.
        right: a right program: its classes, and names that begin with a capital, are classes.
    """
    calls = {None: "pass", True: "return Nothing()", False: "meddle(given); return Nothing()"}
    return _PROGRAM.format(
        call=calls[truth],
        truth=bool(truth),
        names=[*names, *tested_names(tests)],
        classes=re.findall(r"^class (\w+)", right, re.MULTILINE),
    )
