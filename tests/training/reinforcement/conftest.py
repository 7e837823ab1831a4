"""A tiny model that writes one of two programs, and problems that one of them solves."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from iterpref_core.execution import Engine, open_executor
from iterpref_core.records import AssertTest, IoTest, Problem
from iterpref_core.records.config import GrpoParams, ObjectiveParams, TrainingParams
from iterpref_core.storage.jsonl import write_jsonl
from tests.settings import EXECUTION, section

RIGHT = "def f(x):\n    return x + 1\n"
WRONG = "def f(x):\n    return x - 1\n"
PROMPTS = ("Add one.", "Add 1 to x.", "One more.")

Train = Callable[..., dict[str, float]]
"""(name, **settings of `training.grpo`) → metrics; what is written lies in the folder `name` of `tmp_path`."""


def settings(**grpo: object) -> TrainingParams:
    """Return settings for the tiny model: answers of 24 tokens, high rates, all weights in float32."""
    tiny = GrpoParams(
        steps=8,
        problems=2,
        generations=8,
        max_new_tokens=24,
        rewards={"passes_tests": 1.0},
        inside="refuse",
        arguments={},
    )
    return section(
        TrainingParams,
        micro_batch_size=16,
        bf16=False,
        warmup_ratio=0.0,
        grpo=tiny.model_copy(update=grpo).model_dump(),
        objectives={"grpo": ObjectiveParams(learning_rate=3e-3)},
    )


@pytest.fixture(scope="module")
def executor() -> Iterator[Engine]:
    with open_executor(EXECUTION) as opened:
        yield opened


@pytest.fixture(scope="session")
def coin(make_model: Callable[..., Path]) -> Path:
    """A model that answers every prompt with one of both programs, each about half of the time."""
    import torch
    from transformers import AutoModelForCausalLM

    from iterpref_core.models.pretrained.prompt_tokens import encode_prompts
    from iterpref_core.models.pretrained.tokenizers import load_chat_template
    from iterpref_core.training.nanolab.byte_bpe import train_tokenizer

    tokenizer = train_tokenizer([*PROMPTS, RIGHT, WRONG], 300)
    folder = make_model(tokenizer)
    template = load_chat_template(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    asked = encode_prompts(template, [template.render_prompt(prompt) for prompt in PROMPTS])
    rows = [(prompt.ids, tokenizer(program)["input_ids"]) for prompt in asked for program in (RIGHT, WRONG)]
    width = max(len(opening) + len(answer) + 1 for opening, answer in rows)
    ids = torch.full((len(rows), width), tokenizer.pad_token_id)
    labels = torch.full((len(rows), width), -100)
    for row, (opening, answer) in enumerate(rows):
        text = torch.tensor([*opening, *answer, tokenizer.eos_token_id])
        ids[row, : len(text)] = text
        labels[row, len(opening) : len(text)] = text[len(opening) :]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def problems() -> list[Problem]:
    """Problems whose tests the supervisor or a judge judges, visible and hidden."""
    visible = IoTest(call="f(1)", expected="2")
    hidden = AssertTest(code="assert f(5) == 6")
    return [
        Problem(task_id=f"p{number}", prompt=prompt, entry_point="f", tests=(visible,), hidden_tests=(hidden,))
        for number, prompt in enumerate(PROMPTS)
    ]


@pytest.fixture(scope="session")
def problems_file(problems: list[Problem], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("problems") / "problems.jsonl"
    write_jsonl(path, problems)
    return path


@pytest.fixture
def train(tmp_path: Path, problems_file: Path, coin: Path) -> Train:
    from iterpref_core.training.reinforcement.grpo import train_grpo

    def run(name: str, other: TrainingParams | None = None, **grpo: object) -> dict[str, float]:
        folder = tmp_path / name
        paths = folder / "out", folder / "curve.csv", folder / "work"
        return train_grpo(problems_file, coin, other or settings(**grpo), EXECUTION, *paths)

    return run
