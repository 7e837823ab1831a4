"""Stage name: what DVC, Prefect and MLflow call a stage."""

from typing import NamedTuple, Self


class StageName(NamedTuple):
    """A stage's name in two parts.

    Attributes:
        group: the stage's name in dvc.yaml, such as `training`.
        item: what a group with `foreach` is run for, such as an objective; empty for a stage that stands alone.

    >>> StageName.parse("training@dpo")
    StageName(group='training', item='dpo')
    >>> str(StageName("training", "dpo")), str(StageName("pairs"))
    ('training@dpo', 'pairs')
    """

    group: str
    item: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the name that DVC writes as `text`."""
        group, _, item = text.partition("@")
        return cls(group, item)

    def __str__(self) -> str:
        return f"{self.group}@{self.item}" if self.item else self.group
