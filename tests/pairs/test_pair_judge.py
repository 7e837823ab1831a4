"""The judge of pairs."""

import doctest
from collections import Counter

import pytest

from iterpref_core.inference.replay import ReplayBackend
from iterpref_core.inference.structured_answers import _correction
from iterpref_core.pairs import pair_judge as judging
from iterpref_core.pairs.pair_judge import judge_pairs, judge_prompt, parse_kind
from iterpref_core.records import PreferencePair


def pair(name: str, chosen: str = "x = 1") -> PreferencePair:
    return PreferencePair(task_id=name, prompt=f"Task {name}", chosen=chosen, rejected="x = 0")


def test_docstring_example() -> None:
    assert doctest.testmod(judging).failed == 0


def test_the_judge_drops_what_is_not_substantive_and_keeps_what_it_cannot_say() -> None:
    answers = ['{"kind": "substantive"}', '```json\n{"kind": "rename"}\n```', '{"kind": "comment"}', "well"]
    pairs = [pair(str(number)) for number in range(4)]
    recorded = {judge_prompt(item): [answer] for item, answer in zip(pairs, answers, strict=True)}
    try:
        parse_kind("well")
    except ValueError as error:
        recorded[_correction(judge_prompt(pairs[3]), error)] = ["still no"]
    counts: Counter[str] = Counter()
    kept = list(judge_pairs(pairs, ReplayBackend(recorded), 1, counts))
    assert [item.task_id for item in kept] == ["0", "3"]
    assert counts == {"judge_rename": 1, "judge_comment": 1, "asked": 4, "asked_again": 1, "unreadable": 1}


@pytest.mark.parametrize("answer", ["", "[]", '{"kind": "other"}', '{"kind": ["rename"]}', '{"kind": "rename"} ok'])
def test_other_answers_are_unreadable(answer: str) -> None:
    with pytest.raises(ValueError, match=r"it is not one JSON object|'kind' must be one of"):
        parse_kind(answer)
