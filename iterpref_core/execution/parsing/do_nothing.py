"""Write a program that does nothing, for some tests: if it passes them, they find no program wrong.

All names that the tests read exist in it. Functions take anything; attributes, operators and iteration raise no error,
since an error may be what a test wants:

    with pytest.raises(Exception):
        f(-1)                          an empty program passes this by a NameError; this program does not
"""

import re
from collections.abc import Iterable
from typing import Literal

from iterpref_core.programs.source_code.tested_names import tested_names
from iterpref_core.records import Test

Result = Literal["true", "false", "None"]
"""What a call of a function returns: an object that is true or false, as are all comparisons of it, or None. A call of
a class returns this object in any case."""

_PROGRAM = """\
class Nothing:
    def __init__(self, *_, **__): pass
    def __call__(self, *_, **__): return {result}
    def __getattr__(self, name):
        if name[:2] == "__": raise AttributeError(name)
        return self
    def __bool__(self, *_): return {truth}
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __bool__
    __instancecheck__ = __subclasscheck__ = __bool__
    def __len__(self): return 1
    __hash__ = __int__ = __index__ = __len__
    def __float__(self): return 1.0
    def __iter__(self, *_): return iter((self,))
    __await__ = __reversed__ = __iter__
    def _itself(self, *_): return self
numeric = "add sub mul matmul truediv floordiv mod divmod pow and or xor lshift rshift".split()
others = "neg pos abs invert round getitem setitem delitem enter exit".split()
for name in [*numeric, *("r" + name for name in numeric), *others]:
    setattr(Nothing, "__" + name + "__", Nothing._itself)
class Function(Nothing):
    def __bool__(self): return True
class Class(Function):
    def __call__(self, *_, **__): return nothing
nothing, function, kind = Nothing(), Function(), Class()
def __getattr__(name):
    if name[:2] == "__": raise AttributeError(name)
    return kind if name[:1].isupper() or name in {classes} else function
for name in {names}:
    globals().setdefault(name, __getattr__(name))
"""


def do_nothing(tests: Iterable[Test], result: Result, names: Iterable[str] = (), right: str = "") -> str:
    """Return a program whose names, all that some tests read, do nothing.

    Args:
        tests: the tests.
        result: of its functions.
        names: further names.
        right: a right program: its classes, and names that begin with a capital, are classes.
    """
    return _PROGRAM.format(
        result="None" if result == "None" else "nothing",
        truth=result == "true",
        names=[*names, *tested_names(tests)],
        classes=re.findall(r"^class (\w+)", right, re.MULTILINE),
    )
