"""LiveCodeBench's tests as they are published, and what a right answer is.

Private tests are published as JSON or, to save space, as base64(zlib(pickle(JSON text))). A pickle is a program: who
loads one runs it. Here its opcodes are read, and nothing is accepted but those that make one string.
"""

import base64
import binascii
import io
import json
import pickletools
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from iterpref_core.execution.sandbox.encoding import Digest, summarize
from iterpref_core.records import Record
from iterpref_core.storage.jsonl import describe_validation_error

MAX_TESTS = 1 << 30
"""Bytes of one problem's tests, decompressed; the largest of the published ones are far below."""

_STRINGS = frozenset({"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"})
"""What a `str` is written as, in every protocol from 0 to 5."""
_MEMOS = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})


class PublishedTest(Record):
    """One test: what goes in, what must come out."""

    input: str
    output: str
    testtype: Literal["stdin", "functional"]


_TESTS = TypeAdapter(list[PublishedTest])


def decode_tests(text: str) -> list[PublishedTest]:
    """Tests from a field `public_test_cases` or `private_test_cases`.

    Raises:
        ValueError: it is neither JSON of tests nor its packed form.
    """
    plain = text.lstrip()
    unpacked = plain if plain.startswith("[") else read_pickled_string(_decompress(text))
    try:
        return _TESTS.validate_json(unpacked)
    except ValidationError as error:
        raise ValueError(f"not a list of tests: {describe_validation_error(error)}") from None


def _decompress(text: str) -> bytes:
    try:
        packed = base64.b64decode(text, validate=True)
        stream = zlib.decompressobj()
        data = stream.decompress(packed, MAX_TESTS)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise ValueError(f"neither JSON nor base64 of zlib data ({error})") from None
    if not stream.eof:
        raise ValueError(f"its zlib data is cut off, or longer than {MAX_TESTS} bytes")
    return data


def read_pickled_string(data: bytes) -> str:
    r"""The string that a pickle consists of; nothing is executed, imported or built.

    >>> import pickle
    >>> read_pickled_string(pickle.dumps("tests"))
    'tests'

    Raises:
        ValueError: the pickle is broken, or has an opcode that a lone string does not need.
    """
    stream = io.BytesIO(data)
    found: list[str] = []
    try:
        for opcode, argument, position in pickletools.genops(stream):
            name = opcode.name
            if name in _STRINGS and not found:
                found.append(str(argument))
            elif not _is_harmless(name, position, bool(found)):
                raise ValueError(f"a pickle with opcode {name} at byte {position}, not one of a string alone")
    except (OverflowError, MemoryError, UnicodeError) as error:
        raise ValueError(f"a broken pickle ({error})") from None
    if not found or stream.read(1):
        raise ValueError("a pickle without a string" if not found else "a pickle with something behind it")
    return found[0]


def _is_harmless(name: str, position: int | None, has_string: bool) -> bool:
    """Whether an opcode may stand beside a lone string: the protocol first, frames anywhere, memo and stop after it."""
    if name == "PROTO":
        return position == 0
    return name == "FRAME" or (has_string and (name == "STOP" or name in _MEMOS))


@dataclass(frozen=True)
class RightOutput:
    """Judges what a program printed (`Program.judge`)."""

    expected: str

    def __call__(self, _: int, printed: Any) -> bool:
        """Whether it is right, in the benchmark's own sense: see `same_output`."""
        return type(printed) is str and same_output(printed, self.expected)


def same_output(printed: str, expected: str) -> bool:
    r"""Whether two outputs are the same line by line, without blanks at both ends, or number by number.

    Numbers are compared exactly, as decimals: 0.50 is 0.5, and 0.1 + 0.2 as Python prints it is not 0.3.

    >>> same_output("1 2.50 \n", "1.0 2.5"), same_output("yes", "YES"), same_output("1\n\n2", "1\n2")
    (True, False, False)
    """
    ours, theirs = _lines(printed), _lines(expected)
    return len(ours) == len(theirs) and all(map(_same_line, ours, theirs))


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().split("\n")]


def _same_line(ours: str, theirs: str) -> bool:
    if ours == theirs:
        return True
    try:
        return _decimals(ours) == _decimals(theirs)
    except InvalidOperation:
        return False


def _decimals(line: str) -> list[Decimal]:
    return [Decimal(part) for part in line.split()]


@dataclass(frozen=True)
class RightValue:
    """Judges what a function returned (`Program.judge`); a tuple counts as the list that JSON has for it."""

    expected: Any

    def __call__(self, _: int, returned: Any) -> bool:
        """Whether it is right: by Python's `==`."""
        if isinstance(returned, Digest):
            return returned in _digests(self.expected)
        return bool((list(returned) if type(returned) is tuple else returned) == self.expected)


def _digests(expected: Any) -> Iterable[str]:
    yield summarize(expected)
    if type(expected) is list:
        yield summarize(tuple(expected))


def parse_arguments(text: str) -> Sequence[Any]:
    """The arguments of a functional test: a JSON value a line.

    Raises:
        ValueError: a line is not JSON.
    """
    return [json.loads(line) for line in text.split("\n") if line.strip()]
