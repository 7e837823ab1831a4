"""Loadable models: what lets `mlflow.transformers` and `mlflow.pyfunc` load a model whose weights only DVC has.

MLflow gets the small files of a checkpoint, and the path of a folder of links to DVC's cache. This folder is named by
DVC's digest, so it never becomes another model's, as `models/trained/sft` does with the next training.
"""

import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tasks.dvc.cache import cached_files
from tasks.dvc.lock import Artifact
from tasks.mlflow.rows import models_among
from tasks.mlflow.server import Server
from tasks.mlflow.snapshot import Snapshot
from tasks.paths import STATE, home

WEIGHTS = STATE / "weights"
"""The folder of the folders of links; in the clones of a work pool it is a link to one that stays."""

_PLACE = "iterpref.weights"
"""The tag that names the folder from which a model is loaded."""
_TOKENIZER = "components/tokenizer"
"""The folder in which `mlflow.transformers` looks for a tokenizer."""
_WEIGHTS_END_IN = (".safetensors", ".bin", ".gguf")


def make_loadable(server: Server, snapshot: Snapshot, checkout: Path) -> None:
    """Let MLflow load the models of a command, as soon as DVC's cache has them.

    A folder without a `config.json` stays a pointer: it has adapters, whose base is elsewhere, or a name on the Hub.

    Args:
        server: the tracking server.
        snapshot: the command.
        checkout: the checkout or worktree with DVC's settings.
    """
    for execution in snapshot.executions.values():
        for item in models_among(execution.locked.outs):
            _make_one_loadable(server, item, checkout)


def _make_one_loadable(server: Server, item: Artifact, checkout: Path) -> None:
    model = server.find_model(item)
    if model is None or _PLACE in model.tags:
        return
    files = cached_files(checkout, item)
    if "config.json" not in files:
        return
    place = (home() / WEIGHTS).resolve() / item.md5.removesuffix(".dir")
    for name, cached in files.items():
        link = place / name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(cached)
    with TemporaryDirectory(prefix="iterpref-") as folder:
        for name, cached in files.items():
            if not name.endswith(_WEIGHTS_END_IN):
                copy = Path(folder) / _TOKENIZER / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(cached, copy)
        _describe(model, place).save(str(Path(folder) / "MLmodel"))
        if not server.upload_model(model.model_id, Path(folder)):
            return
    server.client.set_logged_model_tags(model.model_id, {_PLACE: str(place)})
    server.client.delete_logged_model_tag(model.model_id, "mlflow.model.isExternal")


def _describe(model: Any, place: Path) -> Any:
    """Return MLflow's description of a model, as its own `save_model` writes it for a base in a local folder."""
    from mlflow.models import Model

    described = Model(model_id=model.model_id, run_id=model.source_run_id)
    described.add_flavor(
        "transformers",
        transformers_version=version("transformers"),
        code=None,
        task="text-generation",
        instance_type="TextGenerationPipeline",
        pipeline_model_type="AutoModelForCausalLM",
        source_model_name=str(place),
        local_base_model_path=str(place),
        components=["tokenizer"],
        tokenizer_type="AutoTokenizer",
    )
    python = ".".join(map(str, sys.version_info[:3]))
    described.add_flavor("python_function", loader_module="mlflow.transformers", python_version=python)
    return described
