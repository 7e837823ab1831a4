"""Tests as LiveCodeBench publishes them: packed without ever being unpickled, and what counts as right."""

import base64
import json
import os
import pickle
import zlib

import pytest

from iterpref_core.evaluation.benchmarks.livecodebench.data import decode_tests
from iterpref_core.evaluation.benchmarks.livecodebench.suite import right_output, right_value
from iterpref_core.execution.codec.canonical import decode, summarize

TESTS = [{"input": "1 2\n", "output": "3\n", "testtype": "stdin"}]


def pack(pickled):
    return base64.b64encode(zlib.compress(pickled)).decode()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_packed_and_plain_tests_are_the_same(protocol):
    tests = [{"input": "ä\n\\u2028\u2028😀\x00" * 70_000, "output": "3\n", "testtype": "stdin"}]
    text = json.dumps(tests, ensure_ascii=False)
    assert decode_tests(text) == decode_tests(pack(pickle.dumps(text, protocol)))


class Harm:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def hostile(path):
    harm = [pickle.dumps(Harm(path), protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    text = pickle.dumps(json.dumps(TESTS))
    call = b"cos\nmkdir\n(S'" + str(path).encode() + b"'\ntR."
    return [
        *harm,
        *(text[:-1] + b"0" + one for one in harm),  # a string that is dropped, then the call
        text[:-1] + call,
        b"ios\nmkdir\n.",
        pickle.dumps([json.dumps(TESTS)]),
        text[:20],
        b"\x80\x04\x8d" + b"\xff" * 8 + b".",  # a string said to be longer than memory
        b"Pevil\n.",
        b"",
    ]


def test_hostile_and_broken_pickles_are_refused_and_do_nothing(tmp_path):
    made = tmp_path / "made"
    for number, pickled in enumerate(hostile(made)):
        with pytest.raises(ValueError, match=r"neither JSON nor base64|not a list of tests"):
            decode_tests(pack(pickled))
        assert not made.exists(), number
    for text in ("", "no base64!", "AAAA", pack(pickle.dumps("[1]")), '[{"input": 1}]', "[", "{}"):
        with pytest.raises(ValueError, match=r"neither JSON|not a list of tests"):
            decode_tests(text)
    pickle.loads(pickle.dumps(Harm(made)))
    assert made.exists(), "the harm would have been real"


@pytest.mark.parametrize(
    ("printed", "expected", "right"),
    [
        ("3\n", "3", True),
        ("1  2", "1 2", True),  # as numbers
        ("a  b", "a b", False),  # as words
        ("0.50", "0.5", True),
        (str(0.1 + 0.2), "0.3", False),
        ("100000000000000000000000001", "100000000000000000000000000", False),
        ("1\n\n2", "1\n2", False),
        ("1 2", "1\n2", False),
        ("", "0", False),
        ("nan 1", "nan  1", False),
    ],
)
def test_outputs_are_compared_by_stripped_lines_and_then_as_decimals(printed, expected, right):
    assert right_output(expected)(0, printed) == right


def test_returned_values_are_compared_by_equality_and_a_tuple_counts_as_a_list():
    assert right_value([1, 2])(0, (1, 2))
    assert right_value(2)(0, 2.0)
    assert not right_value([[1]])(0, [(1,)])
    assert not right_value(0.3)(0, 0.1 + 0.2)
    long = list(range(300_000))
    for returned in (long, tuple(long)):
        assert right_value(long)(0, decode(summarize(returned)))
    assert not right_value(long)(0, decode(summarize([*long[:-1], 0])))
