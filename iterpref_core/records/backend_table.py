"""List the ways to ask a model, one row each, for parameters, `inference`, budgets and `doctor`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BackendRow:
    """A row of the backend table.

    Attributes:
        module: the module of `iterpref_core.models.inference` whose function `open_backend(settings)` opens a model.
        local: True if the model is on this machine. If not, the backend knows a model only by its name on the server at
            `inference.base_url`. The server's answers cost money: a cap on dollars needs their prices. Private prompts
            are searched for secrets before they go to a server on another machine.
        checkpoint: True if the model is a Hugging Face folder or hub id. Its configuration, tokenizer and chat template
            are then checked and used here. If not, a local model is one file, and the engine renders prompts.
        in_process: True if the model computes in this process.
        extra: the extra of pyproject.toml with the packages that the backend needs.
    """

    module: str
    local: bool
    checkpoint: bool
    in_process: bool
    extra: str


# Every backend.
BACKENDS = {
    "transformers": BackendRow("transformers_model", local=True, checkpoint=True, in_process=True, extra="training"),
    "vllm": BackendRow("vllm_server", local=True, checkpoint=True, in_process=False, extra="endpoints"),
    "openai": BackendRow("openai_model", local=False, checkpoint=False, in_process=False, extra="endpoints"),
}
