"""Stage name: the name of a stage in DVC, Prefect and MLflow."""

from typing import NamedTuple, Self


class StageName(NamedTuple):
    """A stage's name in two parts.

    Attributes:
        group: the stage's name in dvc.yaml, such as `training`.
        item: the item of a group with `foreach`, such as an objective; empty for a stage that stands alone.

    >>> StageName.parse("training@dpo")
    StageName(group='training', item='dpo')
    >>> str(StageName("training", "dpo")), str(StageName("pairs"))
    ('training@dpo', 'pairs')
    """

    group: str
    item: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse DVC's spelling of a name."""
        group, _, item = text.partition("@")
        return cls(group, item)

    def __str__(self) -> str:
        return f"{self.group}@{self.item}" if self.item else self.group
