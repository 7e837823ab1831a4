"""Stage `nanolab`: provide the student and the debugger, by training the embedded ones or by pinning named ones."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from iterpref_core.execution import open_executor
from iterpref_core.models.pretrained.checkpoints import EMBEDDED, is_gguf, name_served, pin_model, write_pointer
from iterpref_core.models.pretrained.fingerprint import model_fingerprint
from iterpref_core.models.pretrained.lineage import training_versions, write_lineage
from iterpref_core.models.pretrained.weights import check_checkpoint, uses_bf16
from iterpref_core.models.prompts.codeflow_prompts import draft_prompt, refine_prompt
from iterpref_core.records import (
    BACKENDS,
    EmbeddedTraining,
    ExecutionParams,
    InputError,
    ModelLineage,
    NanolabParams,
    NanolabResult,
    Params,
    Problem,
    prompt_text,
)
from iterpref_core.storage.jsonl import read_jsonl
from iterpref_core.storage.new_folder import new_folder

from .gguf_checkpoint import write_checkpoint
from .pretrain import SEED, Example, pretrain
from .repairs import make_repairs

PAD = "<|pad|>"
EOS = "<|end|>"
_CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['content'] }}"
    "{{ '' if message['role'] == 'assistant' else '\\n' }}<|end|>{% endfor %}"
)
# A word with the blanks and the opening punctuation before it, a number by two digits, other punctuation with the line
# break after it: "    part", "(nums", ")\n". A program has 47 tokens; with words and punctuation apart it had 64.
# No token lies on two lines.
_PIECES = r" *[(\[{'`.]*[A-Za-z_]+| ?\d{1,2}| ?[^\sA-Za-z_\d]+\n*|\n+| +"


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Train a tokenizer. Every byte is in the vocabulary, so that any text can be encoded.

    Args:
        texts: the merges are learned from these.
        vocab_size: the number of tokens, special ones included; at least 258.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=EOS,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    wrapped.chat_template = _CHAT_TEMPLATE
    return wrapped


_VOCAB_SIZE = 1024


def build_models(params: Params, *, problems: Path, student: Path, debugger: Path) -> NanolabResult:
    """Write the folders of student and debugger.

    - A model named `nanolab` is trained here and saved as an ordinary Hugging Face checkpoint.
    - A GGUF file (`smollm2` is one) is unpacked into a checkpoint of this kind.
    - Any other name is checked, pinned to a revision and recorded in `source.json`; the weights stay where they are.
    - A debugger at an endpoint is recorded by its name alone; no hub is asked about the name.

    Args:
        params: all parameters; the backend is the debugger's.
        problems: JSONL of `Problem`; the splits `student` and `debugger` are trained on.
        student: the student's folder.
        debugger: the debugger's folder.

    Raises:
        ModelError: a named model cannot be had.
        InputError: the problems are missing that training needs.
    """
    model, backend = params.model, params.inference.backend
    folders = {"student": student, "debugger": debugger}
    embedded = []
    # What fills the folders of the models that are not trained here.
    writers: dict[str, Callable[[Path], object]] = {}
    # Every name is looked at before the first folder is removed: a wrong name must not cost a model.
    for role, name in (("debugger", model.debugger), ("student", model.student)):
        if role == "debugger" and not BACKENDS[backend].local:
            writers[role] = partial(write_pointer, source=name_served(name))
        elif is_gguf(name):
            writers[role] = partial(write_checkpoint, name)
        elif name == EMBEDDED:
            embedded.append(role)
        else:
            source = pin_model(name)
            loaded = role == "student" or BACKENDS[backend].in_process
            prompt = model.student_format if role == "student" else model.debugger_format
            check_checkpoint(str(source), prompt, loaded=loaded)
            if Path(source.name_or_path).is_dir() or source.adapters:
                source = replace(source, digest=model_fingerprint(name))
            writers[role] = partial(write_pointer, source=source)
    # Each folder appears whole or stays as it was.
    for role, write in writers.items():
        with new_folder(folders[role], replace=True) as folder:
            write(folder)
    # Named models are recorded above, and need no problems.
    if not embedded:
        return NanolabResult()
    return _train_embedded(sorted(embedded, reverse=True), problems, params.nanolab, params.execution, folders)


def _train_embedded(
    roles: Sequence[str],
    problems: Path,
    nanolab: NanolabParams,
    execution: ExecutionParams,
    folders: Mapping[str, Path],
) -> NanolabResult:
    known = [problem for problem in read_jsonl(problems, Problem) if problem.split in ("student", "debugger")]
    # The debugger goes on from a student, whichever model is improved: from nothing it would need twice the steps.
    needed = ("student", "debugger") if "debugger" in roles else roles
    splits = {role: [problem for problem in known if problem.split == role] for role in needed}
    for role, split in splits.items():
        if not split:
            raise InputError(f"{problems}: no problem of split '{role}'; the embedded models need some to learn from")
    # Both models share one tokenizer, whichever of them is kept.
    tokenizer = train_tokenizer(_corpus(known), _VOCAB_SIZE)
    trained = {}
    model = None
    for role, split in splits.items():
        examples = [Example(draft_prompt(problem.prompt), problem.reference or "") for problem in split]
        # The student only drafts; the debugger also repairs. A repair has more tokens than two drafts, and drafts teach
        # most of what it needs, so every other problem has one.
        if role == "debugger":
            with open_executor(execution) as executor:
                examples += make_repairs(split[::2], SEED, executor)
        steps = nanolab.student_steps if role == "student" else nanolab.debugger_steps
        model, loss = pretrain(examples, tokenizer, nanolab, steps, role, model)
        if role not in roles:
            continue
        settings = nanolab.model_dump(mode="json") | {"examples": len(examples), "loss": loss}
        with new_folder(folders[role], replace=True) as folder:
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            write_lineage(
                folder, ModelLineage(base=EMBEDDED, settings=settings, steps=steps, versions=training_versions())
            )
        trained[role] = EmbeddedTraining(loss=loss, examples=len(examples))
    return NanolabResult(bf16=float(uses_bf16("auto", "cpu")), **trained)


def _corpus(problems: Sequence[Problem]) -> list[str]:
    """Return the texts that the tokenizer learns from: tasks, programs, and the fixed words of a refinement prompt."""
    texts = []
    for problem in problems:
        texts.append(prompt_text(problem.prompt))
        texts.append(problem.reference or "")
    # A refinement prompt without any code would be worded as a draft prompt: "#" replaces the code.
    refinement = prompt_text(refine_prompt("", "#", "")).replace("#", "")
    return texts + [refinement] * 50
