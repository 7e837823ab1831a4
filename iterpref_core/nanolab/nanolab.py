"""Stage `nanolab`: provide the student and the debugger, by training the embedded ones or by pinning named ones."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from iterpref_core.config import WITH_WEIGHTS, BackendName, ExecutionParams, ModelParams, NanolabParams
from iterpref_core.errors import InputError
from iterpref_core.execution import open_executor
from iterpref_core.inference.codeflow_prompts import draft_prompt, refine_prompt
from iterpref_core.inference.local.checkpoints import EMBEDDED, is_gguf, name_served, pin_model, write_pointer
from iterpref_core.inference.local.gguf_checkpoint import write_checkpoint
from iterpref_core.inference.local.model_lineage import training_versions, write_lineage
from iterpref_core.inference.local.weights import check_checkpoint, uses_bf16
from iterpref_core.nanolab.byte_bpe import train_tokenizer
from iterpref_core.nanolab.pretrain import Example, pretrain
from iterpref_core.nanolab.repairs import make_repairs
from iterpref_core.records import ModelLineage, Problem
from iterpref_core.storage.jsonl import read_jsonl
from iterpref_core.storage.new_folder import new_folder


def build_models(
    problems: Path,
    model: ModelParams,
    nanolab: NanolabParams,
    execution: ExecutionParams,
    out: Path,
    backend: BackendName = "transformers",
) -> dict[str, float]:
    """Write `student/` and `debugger/` below `out`.

    A model named `nanolab` is trained here and saved as an ordinary Hugging Face checkpoint. A GGUF file (`smollm2` is
    one) is unpacked into one. Any other name is checked, pinned to a revision and recorded in `source.json`; its
    weights stay where they are. Behind an endpoint the debugger is a name and nothing else: no hub is asked about it.

    Args:
        problems: the problems; the splits `student` and `debugger` are trained on.
        model: which models.
        nanolab: shape and training of the embedded ones.
        execution: limits for the broken references whose feedback the debugger learns from.
        out: folder to write to.
        backend: how the debugger is asked.

    Returns:
        For every model trained: `<model>/loss` (nats a token) and `<model>/examples`, and whether in `bf16`; empty for
        pinned ones.

    Raises:
        ModelError: a named model cannot be had.
        InputError: there is nothing to train on.
    """
    names = {"student": model.student, "debugger": model.debugger}
    served = {role: name for role, name in names.items() if role == "debugger" and backend not in WITH_WEIGHTS}
    unpacked = {role: name for role, name in names.items() if role not in served and is_gguf(name)}
    embedded = [role for role, name in names.items() if role not in served and name == EMBEDDED]
    sources = {role: name_served(name, backend) for role, name in served.items()}
    for role in sorted(names.keys() - served.keys() - unpacked.keys() - set(embedded)):
        sources[role] = pin_model(names[role])
        trained = role == "student"  # and therefore loaded in this process
        prompt = model.student_format if trained else model.debugger_format
        check_checkpoint(str(sources[role]), prompt, loaded=trained or backend == "transformers")
    for role, source in sources.items():
        shutil.rmtree(out / role, ignore_errors=True)
        write_pointer(out / role, source)
    for role, name in unpacked.items():
        shutil.rmtree(out / role, ignore_errors=True)
        with new_folder(out / role) as folder:
            write_checkpoint(name, folder)
    if not embedded:
        return {}
    known = [problem for problem in read_jsonl(problems, Problem) if problem.split in ("student", "debugger")]
    tokenizer = train_tokenizer(_corpus(known), nanolab.vocab_size)
    metrics: dict[str, float] = {}
    for role in embedded:
        split = [problem for problem in known if problem.split == role]
        if not split:
            raise InputError(f"{problems}: no problem of split '{role}'; the embedded {role} needs some to learn from")
        examples = [Example(draft_prompt(problem.prompt), problem.reference or "") for problem in split]
        if role == "debugger":
            examples += _refinements(split, nanolab, execution)
        metrics |= _train(role, examples, tokenizer, nanolab, out)
    return metrics


def _train(
    role: str, examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, nanolab: NanolabParams, out: Path
) -> dict[str, float]:
    steps = nanolab.student_steps if role == "student" else nanolab.debugger_steps
    model, loss = pretrain(examples, tokenizer, nanolab, steps, role)
    settings = nanolab.model_dump(mode="json") | {"examples": len(examples), "loss": loss}
    lineage = ModelLineage(base=EMBEDDED, settings=settings, steps=steps, versions=training_versions())
    shutil.rmtree(out / role, ignore_errors=True)
    with new_folder(out / role) as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        write_lineage(folder, lineage)
    bf16 = float(uses_bf16(nanolab.bf16, "cpu"))
    return {f"{role}/loss": loss, f"{role}/examples": float(len(examples)), "bf16": bf16}


def _corpus(problems: Sequence[Problem]) -> list[str]:
    """What the tokenizer learns from: tasks, programs, and one refinement turn for the words that it adds."""
    texts = [text for problem in problems for text in (problem.prompt, problem.reference or "")]
    turn = refine_prompt("", "#", "").replace("#", "")  # without any code it would ask for a first program
    return [*texts, *([turn] * 50)]


def _refinements(problems: Sequence[Problem], nanolab: NanolabParams, execution: ExecutionParams) -> list[Example]:
    with open_executor(execution) as executor:
        return [
            Example(
                refine_prompt(repair.problem.prompt, repair.broken, repair.feedback), repair.problem.reference or ""
            )
            for repair in make_repairs(problems, nanolab.repairs_per_problem, nanolab.seed, executor)
        ]
