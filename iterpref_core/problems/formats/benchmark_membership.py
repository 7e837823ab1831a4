"""Benchmark membership: tasks that a benchmark evaluates on, and that are left out of what is trained on."""

import re
from functools import cache
from pathlib import Path

_MBPP_PLUS_IDS = Path(__file__).with_name("mbpp_plus_ids.txt")
_HUMANEVAL = re.compile(r"HumanEval/(\d+)")
_HUMANEVAL_SIZE = 164


@cache
def mbpp_plus_ids() -> frozenset[int]:
    """Numbers of the MBPP tasks that MBPP+ evaluates on."""
    lines = _MBPP_PLUS_IDS.read_text(encoding="utf-8").splitlines()
    return frozenset(int(number) for line in lines if not line.startswith("#") for number in line.split())


def benchmark_of(task_id: str) -> str | None:
    """The reason to leave a problem out, by its `task_id` in a published set; None if no benchmark has it.

    >>> benchmark_of("HumanEval/12"), benchmark_of("mbpp/2"), benchmark_of("own/2")
    ('in_humaneval', 'in_mbpp_plus', None)
    """
    found = _HUMANEVAL.fullmatch(task_id)
    if found and int(found[1]) < _HUMANEVAL_SIZE:
        return "in_humaneval"
    name, _, number = task_id.partition("/")
    return "in_mbpp_plus" if name == "mbpp" and number.isdecimal() and int(number) in mbpp_plus_ids() else None
