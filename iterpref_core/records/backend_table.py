"""Backend table: one row for each way to ask a model, read by parameters, `inference`, budgets and `doctor`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BackendRow:
    """A row of the backend table.

    Attributes:
        weights: True if the model's weights are on this machine. If not, the backend knows a model only by its name on
            the server at `inference.base_url`. The server's answers cost money: a cap on dollars needs their prices.
            Private prompts are searched for secrets before they go to a server on another machine.
        in_process: True if the model computes in this process.
        extra: the extra of pyproject.toml with the packages that the backend needs.
    """

    weights: bool
    in_process: bool
    extra: str


BACKENDS = {
    "transformers": BackendRow(weights=True, in_process=True, extra="training"),
    "vllm": BackendRow(weights=True, in_process=False, extra="endpoints"),
    "openai": BackendRow(weights=False, in_process=False, extra="endpoints"),
}
"""Every backend. `backend_factory.OPENERS` opens its models."""
