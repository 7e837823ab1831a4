"""Command: the subject of a row of MLflow's table, an experiment with one state of code and parameters."""

from getpass import getuser

from pydantic import BaseModel

from iterpref_core.records.config import Params
from tasks.addresses import ShownText
from tasks.digest import digest_of
from tasks.dotted_keys import flatten
from tasks.git.source import Source, name_run

COMMAND_VARIABLE = "ITERPREF_COMMAND"
"""Names to a stage's process the command that logs it; absent under a bare `dvc repro`."""


class Command(BaseModel, frozen=True):
    """A command that brings stages up to date.

    Attributes:
        command: the command, such as `dvc repro`.
        name: name of its run.
        source: the commit, and the changes since.
        params: all parameters, by dotted key.
        tags: user and commit.
    """

    command: str
    name: ShownText
    source: Source
    params: dict[str, ShownText]
    tags: dict[str, str]

    @property
    def key(self) -> str:
        """A digest of code and parameters. Commands with equal ones have one run, however often they are started."""
        return digest_of([self.source.commit, self.source.edits, self.params])

    @property
    def variables(self) -> dict[str, str]:
        """The environment of its stages."""
        return {COMMAND_VARIABLE: self.command}


def describe_command(command: str, params: Params, source: Source, name: str = "") -> Command:
    """Describe a command of this process.

    Args:
        command: the command, such as `iterpref run`.
        params: all parameters.
        source: the code and parameters that the command starts from.
        name: name of its run; by default the parameters that differ.
    """
    return Command(
        command=command,
        name=name or name_run(command, source),
        source=source,
        params={key: str(value) for key, value in flatten(params.model_dump(mode="json"))},
        # MLflow's own tags for the source of a run.
        tags={
            "mlflow.user": getuser(),
            "mlflow.source.name": command,
            "mlflow.source.type": "LOCAL",
            "mlflow.source.git.commit": source.commit,
            "mlflow.source.git.branch": source.branch,
            "mlflow.source.git.dirty": source.dirty,
        },
    )
