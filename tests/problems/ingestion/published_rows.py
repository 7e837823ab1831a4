"""Rows of public problem sets in their published shapes, with content of this project's own."""

import base64
import json
import pickle
import zlib
from dataclasses import dataclass
from typing import Any

SUM = "n = int(input())\nprint(sum(map(int, input().split())))\n"
SUM_WRONG = "input()\nprint(0)\n"
SUM_TESTS = {"inputs": ["2\n1 2\n", "1\n-4\n"], "outputs": ["3\n", "-4\n"]}
QUOTIENT = "a, b = map(float, input().split())\nprint(a / b)\n"
QUOTIENT_WRONG = "a, b = map(float, input().split())\nprint(a // b)\n"
ADD = "def add(a, b):\n    return a + b\n"
ADD_WRONG = "def add(a, b):\n    return a - b\n"
ADD_HEAD = 'def add(a: int, b: int) -> int:\n    """Sum."""\n'
ENDS = "class Solution:\n    def ends(self, xs: List[int]) -> List[int]:\n        return min(xs), max(xs)\n"
ENDS_WRONG = "class Solution:\n    def ends(self, xs: List[int]) -> List[int]:\n        return xs[0], xs[-1]\n"
ENDS_STARTER = "class Solution:\n    def ends(self, xs: List[int]) -> List[int]:\n"


def fenced(code: str) -> str:
    return f"```python\n{code}```"


def packed(tests: list[dict[str, Any]]) -> str:
    return base64.b64encode(zlib.compress(pickle.dumps(json.dumps(tests)))).decode()


def stdin_cases(kind: str = "stdin_stdout", **more: Any) -> list[dict[str, Any]]:
    examples = zip(SUM_TESTS["inputs"], SUM_TESTS["outputs"], strict=True)
    return [{"type": kind, "input": given, "output": printed, **more} for given, printed in examples]


@dataclass(frozen=True)
class PublishedRow:
    """A row, and what must come out of it.

    Attributes:
        form: its format.
        row: as it stands in the set.
        right: a program that must pass.
        wrong: a program that must fail.
        entry_point: what is called; empty for a script.
        tests: how many visible and hidden tests there are.
        references: whether the set has right programs.
    """

    form: str
    row: dict[str, Any]
    right: str
    wrong: str
    entry_point: str = ""
    tests: tuple[int, int] = (2, 0)
    references: bool = True


def _call_row(tests: Any, solution: str, starter: str = "") -> dict[str, Any]:
    return {
        "question": "Do it.",
        "solutions": json.dumps([solution]),
        "input_output": json.dumps(tests),
        "starter_code": starter,
    }


_CONTEST: dict[str, Any] = {
    "name": "1_A. Sum",
    "description": "Add up.",
    "public_tests": {"input": ["2\n1 2\n"], "output": ["3\n"]},
    "private_tests": {"input": ["1\n-4\n"], "output": ["-4\n"]},
    "generated_tests": {"input": [], "output": []},
    "solutions": {"language": [2, 1, 3], "solution": ["int main(){}", "print 1", SUM]},
    "incorrect_solutions": {"language": [3, 2], "solution": [SUM_WRONG, "int main(){}"]},
    "time_limit": {"seconds": 2, "nanos": 500_000_000},
    "input_file": "",
}
_CODEFORCES = {
    "id": "1/A",
    "title": "Sum",
    "description": "Add up.",
    "input_format": "Two lines.",
    "examples": [{"input": "2\n1 2\n", "output": "3\n"}],
    "time_limit": 2.0,
    "input_mode": "stdio",
    "interaction_format": None,
}
_SPLIT_CHECKER = """\
import sys

given, expected, printed = (open(path).read() for path in sys.argv[1:4])
try:
    a, b = map(int, printed.split())
except ValueError:
    print(0)
    sys.exit()
print(1 if a + b == int(given) else 0)
"""
_LIVE: dict[str, Any] = {
    "question_content": "Add up.",
    "question_id": "a1",
    "starter_code": "",
    "public_test_cases": json.dumps([{"input": "2\n1 2\n", "output": "3\n", "testtype": "stdin"}]),
    "private_test_cases": packed([{"input": "1\n-4\n", "output": "-4\n", "testtype": "stdin"}]),
    "metadata": "{}",
}
_CHECK = "METADATA = {}\n\n\ndef check(candidate):\n    assert candidate(1, 2) == 3\n    assert candidate(0, 0) == 0\n"

_KODCODE = {
    "style": "instruct",
    "question_id": "k1",
    "question": "Write add.",
    "solution": ADD,
    "test": "from solution import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n",
    "test_info": [{"function_name": "add", "function_declaration": "def add(a, b):"}],
}

ROWS: dict[str, PublishedRow] = {
    "apps": PublishedRow(
        "apps",
        {"problem_id": 3, "question": "Add up.", "solutions": json.dumps([SUM]), "input_output": json.dumps(SUM_TESTS)},
        SUM,
        SUM_WRONG,
    ),
    "apps, lines in lists": PublishedRow(
        "apps",
        {
            "question": "Add up.",
            "solutions": [SUM],
            "input_output": {"inputs": [["2", "1 2"], ["1", "-4"]], "outputs": [["3"], ["-4"]]},
        },
        SUM,
        SUM_WRONG,
    ),
    "apps, decimals": PublishedRow(
        "apps",
        {
            "question": "Divide.",
            "solutions": json.dumps([QUOTIENT]),
            "input_output": json.dumps({"inputs": ["1 3\n"], "outputs": ["0.333333\n"]}),
            "starter_code": None,
        },
        QUOTIENT,
        QUOTIENT_WRONG,
        tests=(1, 0),
    ),
    "apps, a call": PublishedRow(
        "apps",
        _call_row({"fn_name": "add", "inputs": [[1, 2], [3, 4]], "outputs": [3, 7]}, ADD),
        ADD,
        ADD_WRONG,
        "add",
    ),
    "apps, results in lists": PublishedRow(
        "apps",
        _call_row({"fn_name": "add", "inputs": [[1, 2], [3, 4]], "outputs": [[3], [7]]}, ADD),
        ADD,
        ADD_WRONG,
        "add",
    ),
    "apps, numbers as keys": PublishedRow(
        "apps",
        _call_row({"fn_name": "f", "inputs": [[{"1": 2}]], "outputs": [2]}, "def f(d):\n    return d[1]\n"),
        "def f(d):\n    return d[1]\n",
        "def f(d):\n    return d.get('1')\n",
        "f",
        tests=(1, 0),
    ),
    "taco, a method": PublishedRow(
        "taco",
        _call_row({"fn_name": "ends", "inputs": [[[3, 1, 2]], [[5]]], "outputs": [[1, 3], [5, 5]]}, ENDS, ENDS_STARTER),
        ENDS,
        ENDS_WRONG,
        "Solution().ends",
    ),
    "taco": PublishedRow(
        "taco",
        {
            "question": "Add up.",
            "solutions": json.dumps([SUM]),
            "input_output": json.dumps(SUM_TESTS),
            "time_limit": "2.0 seconds",
            "url": None,
        },
        SUM,
        SUM_WRONG,
    ),
    "code_contests": PublishedRow("code_contests", _CONTEST, SUM, SUM_WRONG, tests=(1, 1)),
    "code_contests, tables as rows": PublishedRow(
        "code_contests",
        _CONTEST
        | {
            "public_tests": [{"input": "2\n1 2\n", "output": "3\n"}],
            "solutions": [{"language": "CPP", "solution": "int main(){}"}, {"language": "PYTHON3", "solution": SUM}],
            "incorrect_solutions": None,
            "time_limit": None,
        },
        SUM,
        SUM_WRONG,
        tests=(1, 1),
    ),
    "kodcode": PublishedRow("kodcode", _KODCODE, ADD, ADD_WRONG, "add", tests=(1, 0)),
    "kodcode, a beginning": PublishedRow(
        "kodcode", _KODCODE | {"style": "complete", "question": ADD_HEAD}, ADD, ADD_WRONG, "add", tests=(1, 0)
    ),
    "kodcode, all names": PublishedRow(
        "kodcode",
        _KODCODE | {"test": "from solution import *\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"},
        ADD,
        ADD_WRONG,
        "add",
        tests=(1, 0),
    ),
    "acecode": PublishedRow(
        "acecode",
        {
            "id": "oss_1",
            "question": "Write add.",
            "test_cases": ["assert add(1, 2) == 3", "assert add(2, 2) == 4"],
            "inferences": [
                {"completion": fenced(ADD), "pass_rate": 1.0},
                {"completion": fenced(ADD_WRONG), "pass_rate": 0.0},
                {"completion": fenced("def add(a, b):\n    return 3\n"), "pass_rate": 0.5},
                {"completion": None, "pass_rate": None},
            ],
        },
        ADD,
        ADD_WRONG,
        "add",
    ),
    "leetcode": PublishedRow(
        "leetcode",
        {
            "task_id": "ends",
            "problem_description": "Both ends.",
            "starter_code": ENDS_STARTER,
            "prompt": "from typing import *\n",
            "completion": ENDS.replace("min(xs), max(xs)", "[min(xs), max(xs)]"),
            "entry_point": "Solution().ends",
            "test": "def check(candidate):\n    assert candidate(xs = [3, 1]) == [1, 3]\n",
        },
        ENDS.replace("min(xs), max(xs)", "[min(xs), max(xs)]"),
        ENDS_WRONG,
        "Solution().ends",
        tests=(1, 0),
    ),
    "prime": PublishedRow(
        "prime",
        {
            "source": "apps",
            "task_type": "verifiable_code",
            "prompt": "Add up.",
            "gold_standard_solution": fenced(SUM),
            "verification_info": json.dumps({"language": "python", "test_cases": stdin_cases(fn_name=None)}),
            "problem_id": "vcp_1",
        },
        SUM,
        SUM_WRONG,
    ),
    "prime, nested": PublishedRow(
        "prime",
        {
            "prompt": "Write add.",
            "gold_standard_solution": fenced(ADD),
            "verification_info": {
                "language": "python",
                "test_cases": [{"type": "function_call", "fn_name": "add", "input": [1, 2], "output": [3]}],
            },
        },
        ADD,
        ADD_WRONG,
        "add",
        tests=(1, 0),
    ),
    "prime, DeepCoder of TACO": PublishedRow(
        "prime", {"problem": "Add up.", "solutions": [SUM], "tests": json.dumps(SUM_TESTS)}, SUM, SUM_WRONG
    ),
    "prime, DeepCoder of LiveCodeBench": PublishedRow(
        "prime",
        {
            "problem": "Write ends.",
            "starter_code": ENDS_STARTER,
            "solutions": [fenced(ENDS)],
            "tests": json.dumps(
                [
                    {
                        "testtype": "functional",
                        "input": "[3, 1]",
                        "output": "[1, 3]",
                        "metadata": {"func_name": "ends"},
                    }
                ]
            ),
        },
        ENDS,
        ENDS_WRONG,
        "Solution().ends",
        tests=(1, 0),
    ),
    "rstar": PublishedRow(
        "rstar",
        {
            "question_id": "seed_1",
            "question": "Add up.",
            "starter_code": "",
            "inputs": json.dumps(SUM_TESTS["inputs"]),
            "outputs": json.dumps(SUM_TESTS["outputs"]),
            "func_name": "",
            "class_name": "",
        },
        SUM,
        SUM_WRONG,
        references=False,
    ),
    "rstar, a method": PublishedRow(
        "rstar",
        {
            "question": "Both ends.",
            "inputs": json.dumps([[[3, 1, 2]]]),
            "outputs": json.dumps([[1, 3]]),
            "starter_code": ENDS_STARTER,
            "func_name": "ends",
            "class_name": "Solution",
        },
        ENDS,
        ENDS_WRONG,
        "Solution().ends",
        tests=(1, 0),
        references=False,
    ),
    "humaneval": PublishedRow(
        "humaneval",
        {
            "task_id": "HumanEval/900",
            "prompt": ADD_HEAD,
            "canonical_solution": "    return a + b\n",
            "entry_point": "add",
            "test": _CHECK,
        },
        ADD,
        ADD_WRONG,
        "add",
    ),
    "humaneval, a loop in the check": PublishedRow(
        "humaneval",
        {
            "task_id": "HumanEval/901",
            "prompt": ADD_HEAD,
            "canonical_solution": "    return a + b\n",
            "entry_point": "add",
            "test": "def check(candidate):\n    for n in range(3):\n        assert candidate(n, n) == 2 * n\n",
        },
        ADD,
        ADD_WRONG,
        "add",
        tests=(1, 0),
    ),
    "humaneval, HumanEvalPack": PublishedRow(
        "humaneval",
        {
            "task_id": "Python/900",
            "prompt": ADD_HEAD,
            "declaration": "def add(a: int, b: int) -> int:\n",
            "canonical_solution": "    return a + b\n",
            "buggy_solution": "    return a - b\n",
            "entry_point": "add",
            "test": _CHECK.replace("candidate", "add") + "\n\ncheck(add)",
        },
        ADD,
        ADD_WRONG,
        "add",
    ),
    "humaneval, EvoEval": PublishedRow(
        "humaneval",
        {
            "task_id": "EvoEval/900",
            "prompt": ADD_HEAD,
            "canonical_solution": ADD_HEAD + "    return a + b\n",
            "entry_point": "add",
            "test": _CHECK,
            "main_prefix": None,
        },
        ADD,
        ADD_WRONG,
        "add",
    ),
    "mbpp": PublishedRow(
        "mbpp",
        {
            "task_id": 900,
            "text": "Write a function to add.",
            "code": "def add(a, b):\r\n  return a + b",
            "test_list": ["assert add(1, 2) == 3"],
            "test_setup_code": "",
            "challenge_test_list": ["assert add(2, 2) == 4"],
        },
        ADD,
        ADD_WRONG,
        "add",
        tests=(1, 1),
    ),
    "mbpp, sanitized": PublishedRow(
        "mbpp",
        {
            "source_file": "x.ipynb",
            "task_id": 901,
            "prompt": "Write a function to find a root.",
            "code": "import math\ndef root_of(x):\n  return math.sqrt(x)",
            "test_imports": ["import math"],
            "test_list": ["assert math.isclose(root_of(2), math.sqrt(2))"],
        },
        "def root_of(x):\n    return x ** 0.5\n",
        "def root_of(x):\n    return x\n",
        "root_of",
        tests=(1, 0),
    ),
    "livecodebench": PublishedRow("livecodebench", _LIVE, SUM, SUM_WRONG, tests=(1, 1), references=False),
    "livecodebench, a method": PublishedRow(
        "livecodebench",
        _LIVE
        | {
            "starter_code": ENDS_STARTER,
            "public_test_cases": json.dumps([{"input": "[3, 1]", "output": "[1, 3]", "testtype": "functional"}]),
            "private_test_cases": json.dumps([{"input": "[5]", "output": "[5, 5]", "testtype": "functional"}]),
            "metadata": json.dumps({"func_name": "ends"}),
        },
        ENDS,
        ENDS_WRONG,
        "Solution().ends",
        tests=(1, 1),
        references=False,
    ),
    "codeforces": PublishedRow(
        "codeforces",
        _CODEFORCES | {"generation": f"<think>Easy.</think>{fenced(SUM)}", "finish_reason": "stop"},
        SUM,
        SUM_WRONG,
        tests=(1, 0),
    ),
    "codeforces, a checker": PublishedRow(
        "codeforces",
        _CODEFORCES
        | {
            "examples": [{"input": "5\n", "output": "2 3\n"}],
            "official_tests": [{"input": "5\n", "output": "2 3\n"}, {"input": "7\n", "output": "3 4\n"}],
            "generated_checker": _SPLIT_CHECKER,
        },
        "n = int(input())\nprint(n, 0)\n",
        "n = int(input())\nprint(n, 1)\n",
        tests=(1, 1),
        references=False,
    ),
    "opencodeinstruct": PublishedRow(
        "opencodeinstruct",
        {
            "id": "a1",
            "input": "Write add.",
            "output": fenced(ADD),
            "domain": "algorithmic",
            "unit_tests": json.dumps(["\nassert add(1, 2) == 3\n", "\nassert add(2, 2) == 4\n"]),
            "average_test_score": "1",
        },
        ADD,
        ADD_WRONG,
        "add",
    ),
    "kodcode, SFT-R1": PublishedRow(
        "kodcode",
        {name: value for name, value in _KODCODE.items() if name != "test"}
        | {"test_code": _KODCODE["test"], "split": "train", "r1_solution": ADD},
        ADD,
        ADD_WRONG,
        "add",
        tests=(1, 0),
    ),
    "code_contests_plus": PublishedRow(
        "code_contests_plus",
        {
            "id": "1_A",
            "description": "Add up.",
            "time_limit": 2000,
            "correct_submissions": [{"code": "int main(){}", "language": "cpp"}, {"code": SUM, "language": "py3"}],
            "incorrect_submissions": [{"code": SUM_WRONG, "language": "py3"}],
            "test_cases": [{"input": "2\n1 2\n", "output": "3\n"}, {"input": "1\n-4\n", "output": "-4\n"}],
            "checker": "#include <testlib.h>",
        },
        SUM,
        SUM_WRONG,
    ),
    "code_contests_o": PublishedRow(
        "code_contests_o",
        {
            "id": "1_A",
            "description": "Add up.",
            "corner_cases": [
                {"input": {"stdin": given}, "output": {"stdout": printed}}
                for given, printed in zip(SUM_TESTS["inputs"], SUM_TESTS["outputs"], strict=True)
            ],
            "solutions": [{"language": "PYTHON3", "solution": SUM}],
        },
        SUM,
        SUM_WRONG,
    ),
    "verl, inputs and outputs": PublishedRow(
        "verl",
        {
            "data_source": "codecontests",
            "prompt": [{"role": "system", "content": "Think."}, {"role": "user", "content": "Add up."}],
            "ability": "code",
            "reward_model": {"style": "rule", "ground_truth": json.dumps(SUM_TESTS)},
            "extra_info": {"index": 3, "split": "train"},
        },
        SUM,
        SUM_WRONG,
        references=False,
    ),
    "verl, pytest": PublishedRow(
        "verl",
        {
            "prompt": [{"role": "user", "content": "Write add."}],
            "ability": "coding",
            "reward_model": {"ground_truth": json.dumps({"functional": _KODCODE["test"]})},
            "extra_info": {"index": 4, "reference": ADD},
        },
        ADD,
        ADD_WRONG,
        "add",
        tests=(1, 0),
    ),
    "nemo_gym": PublishedRow(
        "nemo_gym",
        {
            "responses_create_params": {"input": [{"role": "user", "content": "Add up."}]},
            "verifier_metadata": {"problem_id": "p1", "unit_tests": SUM_TESTS},
        },
        SUM,
        SUM_WRONG,
        references=False,
    ),
    "openthoughts": PublishedRow(
        "openthoughts",
        {
            "problem": "Add up.",
            "deepseek_solution": "It is easy.",
            "ground_truth_solution": fenced(SUM),
            "domain": "code",
            "source": "apps",
            "test_cases": json.dumps(SUM_TESTS),
            "starter_code": "",
        },
        SUM,
        SUM_WRONG,
    ),
    "opencoder": PublishedRow(
        "opencoder",
        {
            "seq_id": 7,
            "instruction": "Write add.",
            "output": fenced(ADD),
            "code": ADD,
            "entry_point": "add",
            "testcase": ["assert add(1, 2) == 3", "assert add(2, 2) == 4"],
        },
        ADD,
        ADD_WRONG,
        "add",
    ),
    "coderm": PublishedRow(
        "coderm",
        {
            "task_id": 0,
            "question": "Write add.",
            "code_ground_truth": ADD,
            "code_generate": "[]",
            "unit_tests": json.dumps(
                [
                    {
                        "ut_id": 0,
                        "code": "import unittest\n\nclass T(unittest.TestCase):\n    def test_add(self):\n"
                        "        self.assertEqual(add(1, 2), 3)\n",
                        "FAR": 0.1,
                    }
                ]
            ),
        },
        ADD,
        ADD_WRONG,
        "add",
        tests=(1, 0),
    ),
    "coderm, older names": PublishedRow(
        "coderm",
        {
            "task_id": 0,
            "question": "Write add.",
            "code_ground_truth": ADD,
            "code_generate": "[]",
            "unit_tests": json.dumps(
                [
                    {
                        "ut_id": 0,
                        "unit_test": "import unittest\n\nclass T(unittest.TestCase):\n    def test_add(self):\n"
                        "        self.assertEqual(add(1, 2), 3)\n",
                        "FAR": 0.1,
                    }
                ]
            ),
        },
        ADD,
        ADD_WRONG,
        "add",
        tests=(1, 0),
    ),
    "humaneval, HumanEval-X": PublishedRow(
        "humaneval",
        {
            "task_id": "Python/901",
            "prompt": ADD_HEAD,
            "declaration": "def add(a: int, b: int) -> int:\n",
            "canonical_solution": "    return a + b\n",
            "test": _CHECK + "\ncheck(add)\n",
            "example_test": "",
        },
        ADD,
        ADD_WRONG,
        "add",
    ),
}
