"""A tiny model and a handful of pairs, made in a moment."""

import csv
from functools import cache
from importlib.metadata import version
from pathlib import Path

import jinja2
import pytest
import torch
from accelerate import PartialState
from datasets import Dataset
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, TrainingArguments
from trl import DPOConfig, DPOTrainer

from iterpref_core import FocalCollator, mark_errors
from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.nanolab.embedded_models import train_tokenizer
from iterpref_core.records import OBJECTIVES, PreferencePair, TrainingParams, read_yaml, with_values
from iterpref_core.storage.jsonl import write_jsonl
from iterpref_core.training.data.batches import Collator
from iterpref_core.training.data.measures import COLUMNS, DIGESTS, PairMeasures, measure
from iterpref_core.training.data.tokenization import tokenize_pairs
from iterpref_core.training.model.label_head import add_label_head
from iterpref_core.training.model.reference import score_rows
from iterpref_core.training.objectives.objective_settings import ObjectiveSettings
from iterpref_core.training.trainer.focal_trainer import FocalTrainer
from iterpref_core.training.trainer.train_objective import train_objective
from tests.settings import PARAMS, moved, section

SETTINGS = read_yaml(Path(__file__).with_name("settings.yaml"))


GOOD = "def solve(nums):\n    kept = [n for n in nums if n > {k}]\n    return sum(kept)\n"
BAD = "def solve(nums):\n    kept = [n for n in nums if n < {k}]\n    return sum(kept)\n"


@pytest.fixture(scope="session", autouse=True)
def read_and_compiled_once():
    """Spare each checkpoint to read the versions of five packages anew, and to compile the card that PEFT writes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("iterpref_core.models.pretrained.lineage.version", cache(version))
        patch.setattr(jinja2.Environment, "compile", cache(jinja2.Environment.compile))
        yield


@pytest.fixture(scope="session")
def params():
    return section(
        TrainingParams,
        seed=moved(3),
        epochs=2,
        batch_size=4,
        micro_batch_size=4,
        warmup_ratio=0.1,
        max_prompt_length=64,
        max_length=256,
        bf16=False,
        objectives=with_values(PARAMS, {"training.learning_rate": 1e-3, "training.alpha": 1.0}).training.objectives,
    )


@pytest.fixture(scope="session")
def pair_records():
    pairs = []
    for k in range(12):
        chosen, rejected = GOOD.format(k=k), BAD.format(k=k)
        start = rejected.index("    kept")
        line = (start, rejected.index("\n", start))  # in both programs: they differ in one character
        region = {"rejected_spans": (line,), "chosen_spans": (line,), "localization": "line_lcs"}
        texts = {"prompt": f"Sum what is above {k}.", "chosen": chosen, "rejected": rejected}
        pairs.append(PreferencePair(task_id=f"p{k}", **texts, **region))
    return pairs


@pytest.fixture(scope="session")
def tokenizer(pair_records):
    return train_tokenizer([pair.prompt + pair.chosen + pair.rejected for pair in pair_records], 320)


@pytest.fixture(scope="session")
def model_folder(tokenizer, make_model):
    return make_model(tokenizer)


@pytest.fixture(scope="session")
def pairs_file(pair_records, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "pairs.jsonl"
    write_jsonl(path, pair_records)
    return path


@pytest.fixture
def pairs(pair_records):
    """The pairs as a data set of three texts, with error regions."""
    texts = [pair.model_dump(include={"prompt", "chosen", "rejected"}) for pair in pair_records]
    return Dataset.from_list(texts).map(mark_errors)


@pytest.fixture
def model(model_folder):
    return AutoModelForCausalLM.from_pretrained(model_folder)


@pytest.fixture(scope="session")
def inputs(pairs_file, model_folder):
    return pairs_file, model_folder


def train_in(folder, inputs, objective, params, *more):
    """Train; the paths that are written to lie in the folder."""
    paths = folder / "out", folder / "curve.csv", folder / "work"
    return train_objective(*inputs, objective, params, *paths, *more, commit="0123abc").metrics()


@pytest.fixture
def train(tmp_path, inputs, params):
    def run(name, objective, other=inputs, prompt=None, **settings):
        return train_in(tmp_path / name, other, objective, params.model_copy(update=settings), None, prompt)

    return run


@pytest.fixture(scope="session")
def trained(inputs, params, tmp_path_factory):
    made = {}

    def run(objective, **settings):
        key = repr((objective, sorted(settings.items())))
        if key not in made:
            folder = tmp_path_factory.mktemp("trained")
            made[key] = train_in(folder, inputs, objective, params.model_copy(update=settings)), folder
        return made[key]

    return run


def arguments_in(folder, kind=TrainingArguments, **settings):
    """Return arguments of a trainer on the CPU that neither reports nor saves."""
    common = {
        "report_to": "none", "use_cpu": True, "bf16": False, "disable_tqdm": True, "dataloader_pin_memory": False,
        "save_strategy": "no",
    }  # fmt: skip
    return kind(str(folder), **common | settings)


def trl_s(model, pairs, tokenizer, folder, **settings):
    """Return TRL's trainer of the pairs, with the collator of error regions."""
    common = {"beta": 0.1, "activation_checkpointing": False, "remove_unused_columns": False}
    args = arguments_in(folder, DPOConfig, **common | settings)
    return DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32),
        args=args,
        train_dataset=pairs,
        processing_class=tokenizer,
        data_collator=FocalCollator(tokenizer, args),
    )


def scored(model, rows, size=4):
    """Return the pairs with the log-probabilities that a model gives their tokens."""
    add_label_head(model)
    found = list(rows)
    collator = Collator(OBJECTIVES["dpo"], "padded", 0, 16)
    for batch in score_rows(model, model.config, found, range(len(found)), collator, size, PartialState()):
        for number, logps in batch:
            found[number] = found[number].with_reference(logps)
    return found


def trainer_of(model, rows, tokenizer, arguments, objective, validation=None, *, alpha=1.0, beta=0.1, **settings):
    """Return the trainer of some pairs that are scored already."""
    row = OBJECTIVES[objective]
    values = ObjectiveSettings(objective, row, arguments.learning_rate, alpha if row.nll_of else 0.0, beta)
    params = section(TrainingParams, **{"layout": "padded", "nll": "mean"} | settings)
    longest = max(row.length for row in rows)
    return FocalTrainer(model, arguments, rows, longest, tokenizer, values, params, validation)


def logps_by_hand(model, prompt, program):
    """Return the log-probabilities of a program's tokens, from the logits of a row of its own."""
    logits = model(torch.tensor([prompt + program]), use_cache=False).logits[0, len(prompt) - 1 : -1]
    return logits.log_softmax(-1).gather(1, torch.tensor(program)[:, None])[:, 0]


def checks_of(rows):
    """Return the checks of pairs that are not on disk."""
    measured = list(map(measure, rows))
    return PairMeasures({name: [each[name] for each in measured] for name in (*COLUMNS, *DIGESTS)})


def read_weights(folder):
    """Return the weights of the model that a training has left in its folder."""
    return load_file(folder / "out" / "model.safetensors")


def read_curve(folder):
    """Return the rows of its curve."""
    with (folder / "curve.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_validation(folder):
    """Return its validation losses by their steps."""
    return {int(row["step"]): float(loss) for row in read_curve(folder) if (loss := row["validation/loss"])}


def assert_equal_weights(folder, other):
    """Compare the models that two trainings have left in their folders, bit for bit."""
    torch.testing.assert_close(read_weights(folder), read_weights(other), rtol=0, atol=0)


@pytest.fixture
def rows(pair_records, tokenizer, params):
    return list(tokenize_pairs(pair_records, ChatTemplate(tokenizer), params))
