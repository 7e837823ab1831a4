"""The judge of pairs."""

from collections import Counter
from collections.abc import Sequence

from iterpref_core.models.inference.backend import Completion, Request, Sampling
from iterpref_core.pairs.pairs.pair_judge import judge_pairs
from iterpref_core.records import PreferencePair
from tests.fake_models import FakeModel


class Judge(FakeModel):
    """Gives the answers to a task, by its number, one after the other."""

    def __init__(self, answers: dict[int, list[str]]) -> None:
        self.answers = answers

    def complete(self, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:
        numbers = [int(request.prompt.partition("Task ")[2].partition("\n")[0]) for request in requests]
        return [Completion(self.answers[number].pop(0), 1, 1) for number in numbers]


def test_the_judge_drops_what_is_not_substantive_and_keeps_what_it_cannot_say() -> None:
    unreadable = ["well", "[]", '{"kind": "other"}', '{"kind": ["rename"]}', '{"kind": "rename"} ok', "{}"]
    answers = ['{"kind": "substantive"}', '```json\n{"kind": "rename"}\n```', '{"kind": "comment"}', *unreadable]
    pairs = [
        PreferencePair(task_id=str(n), prompt=f"Task {n}\n", chosen="x = 1", rejected="x = 0")
        for n in range(len(answers))
    ]
    counts: Counter[str] = Counter()
    judge = Judge({number: [answer, answer] for number, answer in enumerate(answers)})
    kept = list(judge_pairs(pairs, judge, 1, counts))
    assert [item.task_id for item in kept] == ["0", *(str(n) for n in range(3, len(answers)))]
    assert counts == {"judge_rename": 1, "judge_comment": 1, "asked": 9, "asked_again": 6, "unreadable": 6}


class _Screened(Judge):
    """Remembers which requests may hold somebody's secrets."""

    def complete(self, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:
        self.own_code = [request.private for request in requests]
        return super().complete(requests, sampling)


def test_a_problem_of_ones_own_code_is_screened_whatever_its_name_has() -> None:
    pairs = [
        PreferencePair(task_id="repo#12", prompt="Task 0\n", chosen="x = 1", rejected="x = 0", problem_id="repo#12"),
        PreferencePair(task_id="repo#12#2", prompt="Task 1\n", chosen="x = 1", rejected="x = 2", problem_id="repo#12"),
        PreferencePair(task_id="other", prompt="Task 2\n", chosen="x = 1", rejected="x = 2", problem_id="other"),
    ]
    judge = _Screened({number: ['{"kind": "substantive"}'] for number in range(3)})
    assert len(list(judge_pairs(pairs, judge, 1, Counter(), frozenset({"repo#12"})))) == 3
    assert judge.own_code == [True, True, False]
