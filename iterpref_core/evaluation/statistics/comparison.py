"""Hold the results of statistical tests on two models, for readers that do not import numpy."""

from pydantic import BaseModel

SIGNIFICANT = 0.05
"""The p-value below which a model is called better or worse."""


class Kept(BaseModel, frozen=True):
    """The part of the tasks solved by another model that a model kept.

    With several samples a task counts by its share of passed samples: one that the other model solves in 8 of 10 and
    this model in 6 of 10 is 0.8 of a solved task, of which 0.6 is kept.

    Attributes:
        solved: the number of tasks that the other model solved.
        share: the share of them that this model also solves.
        ci95: its 95% interval.
    """

    solved: float
    share: float
    ci95: tuple[float, float]


class ScoreDifference(BaseModel, frozen=True):
    """The difference of two models' pass@1 on the same tasks.

    Attributes:
        n: the number of tasks.
        difference: the difference, as a share of 1.
        ci95: its 95% interval, which leaves 0 out if and only if `p_value` is below 0.05.
        p_value: the two-sided p-value of "both are equally good"; None with too few seeds for one.
        kept: the share of the other model's solved tasks that this model solves; None if there are none.
    """

    n: int
    difference: float
    ci95: tuple[float, float]
    p_value: float | None
    kept: Kept | None = None

    @property
    def effect(self) -> int:
        """1 if better, -1 if worse, 0 if chance explains the difference (p is 0.05 or more, or not known)."""
        if self.p_value is None or self.p_value >= SIGNIFICANT:
            return 0
        return 1 if self.difference > 0 else -1


class Comparison(ScoreDifference, frozen=True):
    """One model against another, task by task.

    `p_value` is of the exact McNemar test (1947) with one sample of each task, of a sign-flip test with several.

    Attributes:
        gained: the tasks that the model solves more often than the other.
        lost: the tasks that it solves less often.
        p_worse: the p-value of the same test's one-sided form, small where the model is worse.
        tasks_gained: the names of the tasks that the model solves more often.
        tasks_lost: the names of the tasks that it solves less often.
    """

    p_value: float
    gained: int
    lost: int
    p_worse: float
    tasks_gained: tuple[str, ...]
    tasks_lost: tuple[str, ...]
