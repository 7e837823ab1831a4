"""What local models read and what is taken of their answers, against the benchmarks' own generators."""

import gzip
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from evalplus import codegen
from evalplus.gen.util import openai_request
from evalplus.provider import utility
from evalplus.provider.hf import HuggingFaceDecoder
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from iterpref_core.evaluation import begun_answers
from iterpref_core.evaluation.answerer import Answerer
from iterpref_core.evaluation.benchmark import PromptForm
from iterpref_core.evaluation.bigcodebench import BigCodeBench
from iterpref_core.evaluation.evalplus import EvalPlus
from iterpref_core.evaluation.evalplus_data import DatasetName, EvalPlusTask
from iterpref_core.inference.backend import Request, Sampling
from iterpref_core.inference.local.tokenizers import load_tokenizer
from iterpref_core.inference.local.transformers_model import TransformersModel
from iterpref_core.inference.prompts import render_prompt
from iterpref_core.nanolab.byte_bpe import train_tokenizer
from tests.evaluation.recorded_model import kept
from tests.fake_models import FakeModel

from .bigcodebench_tasks import DOUBLE
from .conftest import VARIABLES
from .test_bigcodebench import task_of

CHATS = {
    "chatml": "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou are helpful.<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "stripping": "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}]{{ m['content'] | trim }}[/]{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}",
    "ours": "{% for message in messages %}{{ message['content'] }}\n<|end|>{% endfor %}",
}
ANSWERS = (
    "    return x\n```\nIt is right.",
    "def f(x):\n\treturn 1\n\nprint(f(1))\nmore",
    "x = 1\ndef main():\n    pass",
    "    return 2\n\nif __name__ == 1:\n    f()",
    "y = [1, 2]\n\ndef g(x):\n    return y",
    "z = 3\nassert z == 3\nimport math",
)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return train_tokenizer([begun_answers.INSTRUCTION, begun_answers.RESPONSE, *ANSWERS], 400)


@pytest.fixture(params=CHATS)
def chat(request: pytest.FixtureRequest, tokenizer: PreTrainedTokenizerBase) -> Iterator[PreTrainedTokenizerBase]:
    own, tokenizer.chat_template = tokenizer.chat_template, CHATS[request.param]
    tokenizer.bos_token = "<|end|>"
    yield tokenizer
    tokenizer.chat_template, tokenizer.bos_token = own, None


def evalplus(dataset: DatasetName = "humaneval") -> EvalPlus:
    """What asks and extracts; its data need not be here."""
    bench = EvalPlus.__new__(EvalPlus)
    bench.dataset = dataset
    return bench


def bigcodebench(split: str = "complete") -> BigCodeBench:
    bench = BigCodeBench.__new__(BigCodeBench)
    bench.split = split
    return bench


def evalplus_tasks(dataset: DatasetName) -> list[EvalPlusTask]:
    source = os.environ.get(VARIABLES[dataset])
    if not source:
        pytest.skip(f"set {VARIABLES[dataset]} to compare the prompts of all its tasks")
    with gzip.open(source, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [EvalPlusTask(**{name: row[name] for name in EvalPlusTask.__dataclass_fields__}) for row in rows]


@pytest.mark.parametrize("dataset", ["humaneval", "mbpp"])
def test_what_a_local_model_reads_is_what_evalplus_hands_it(
    dataset: DatasetName, chat: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = evalplus_tasks(dataset)
    prefixes = official_prefixes(monkeypatch)
    for task in tasks:
        given = task.prompt.strip() + "\n"  # as evalplus.codegen.codegen hands it to a provider
        official = utility.make_raw_chat_prompt(given, *prefixes, chat)
        assert evalplus().prompt(task, PromptForm(True, chat)).text == official
        assert official.endswith(f"{prefixes[1]}\n```python\n")
    own, chat.chat_template = chat.chat_template, None
    for task in tasks:
        given = task.prompt.strip() + "\n"
        prompt = evalplus().prompt(task, PromptForm(False, chat)).text
        assert render_prompt(chat, prompt) == utility.make_raw_chat_prompt(given, *prefixes, chat) == given
    chat.chat_template = own


def official_prefixes(monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Instruction and response prefix, as `evalplus.codegen` hands them to whatever makes the model."""
    seen: dict[str, Any] = {}
    monkeypatch.setattr(codegen, "make_model", lambda **given: seen.update(given))
    monkeypatch.setattr(codegen, "codegen", lambda **_: None)
    monkeypatch.setattr(codegen.os, "makedirs", lambda *_, **__: None)
    codegen.run_codegen("m", "humaneval", greedy=True, bs=1)
    return seen["instruction_prefix"], seen["response_prefix"]


def test_a_chat_model_behind_an_endpoint_is_asked_as_evalplus_asks_it() -> None:
    task = EvalPlusTask("HumanEval/0", "\ndef f(x):\n    pass\n", "f", "", [], [], 0.0)
    sent: dict[str, Any] = {}

    class Client:
        chat = property(lambda self: self)
        completions = property(lambda self: self)

        def create(self, **given: Any) -> None:
            sent.update(given)

    message = begun_answers.INSTRUCTION + f"\n```python\n{task.prompt.strip()}\n```"  # evalplus.provider.openai
    openai_request.make_request(Client(), message, "m")
    asked = evalplus().prompt(task, PromptForm(True))
    assert sent["messages"] == [
        {"role": "system", "content": asked.system},
        {"role": "user", "content": asked.text},
    ]


@pytest.mark.parametrize("split", ["complete", "instruct"])
def test_what_a_model_reads_is_what_bigcodebench_hands_it(split: str, tokenizer: PreTrainedTokenizerBase) -> None:
    # Made with bigcodebench 0.2.5's own `make_raw_chat_prompt`, which is not installed here.
    recorded = json.loads(Path(__file__).with_name("bigcodebench_prompts.json").read_text(encoding="utf-8"))
    task = task_of(DOUBLE)
    own, tokenizer.bos_token = tokenizer.chat_template, "<|end|>"
    for name, template in CHATS.items():
        tokenizer.chat_template = template
        prompt = bigcodebench(split).prompt(task, PromptForm(True, tokenizer)).text
        assert prompt == recorded[f"{name} {split}"]
    tokenizer.chat_template, tokenizer.bos_token = own, None
    assert bigcodebench(split).prompt(task, PromptForm(True)).text == recorded[f"endpoint {split}"]
    assert bigcodebench().prompt(task, PromptForm(False)).text == recorded["completion"]


def test_bigcodebench_ends_a_chat_at_other_strings_than_evalplus(tokenizer: PreTrainedTokenizerBase) -> None:
    answer = "\tx\n```\nSo:\n\nprint(x)"
    task = task_of(DOUBLE)
    assert bigcodebench().program(task, answer, PromptForm(True, tokenizer)) == "    x\n```\nSo:\n"
    assert bigcodebench().program(task, answer, PromptForm(True)) == answer
    continued = bigcodebench().program(task, "\treturn x + x\ndef other():\n    pass", PromptForm(False))
    assert continued == DOUBLE["complete_prompt"] + "    return x + x"


@pytest.fixture(scope="module")
def trained(tokenizer: PreTrainedTokenizerBase, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model that has learned one answer for each of six tasks, by heart: they run into end strings."""
    torch.manual_seed(0)
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlamaConfig(**shape, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, bos_token_id=None)
    config.eos_token_id = tokenizer.eos_token_id
    model = LlamaForCausalLM(config)
    texts = [
        text
        for task, answer in zip(TASKS, ANSWERS, strict=True)
        for text in (
            evalplus().prompt(task, PromptForm(True, tokenizer)).text + answer,
            task.prompt.strip() + "\n" + answer,
        )
    ]
    batch = tokenizer([f"{text}<|end|>" for text in texts], return_tensors="pt", padding=True, padding_side="right")
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    for _ in range(150):
        optimizer.zero_grad()
        model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels).loss.backward()
        optimizer.step()
    folder = tmp_path_factory.mktemp("trained")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


TASKS = [
    EvalPlusTask(f"HumanEval/{number}", f'\ndef {name}(x):\n    """{name * 3}"""\n', name, "", [], [], 0.0)
    for number, name in enumerate("abcdef")
]


@pytest.mark.parametrize("dataset", ["humaneval", "mbpp"])
@pytest.mark.parametrize("instruct", [True, False])
def test_what_is_taken_of_an_answer_is_what_evalplus_takes(
    trained: Path,
    dataset: DatasetName,
    instruct: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("evalplus.provider.base.EOS", list(utility.EOS))  # which providers add to
    prefixes = {"instruction_prefix": begun_answers.INSTRUCTION, "response_prefix": begun_answers.RESPONSE}
    options = {"temperature": 0.0, "max_new_tokens": 40, "dtype": "float32", "attn_implementation": "sdpa"}
    official = HuggingFaceDecoder(str(trained), dataset, force_base_prompt=not instruct, **options, **prefixes)
    bench, stops = evalplus(dataset), evalplus(dataset).stops(PromptForm(instruct))
    assert official.eos == list(stops)
    tokenizer = load_tokenizer(trained, "auto" if instruct else "plain")
    backend = TransformersModel(trained, 8, "auto" if instruct else "plain", bf16=False)
    asked: list[Sampling] = []

    class Noted(FakeModel):
        def complete(self, requests: Sequence[Request], sampling: Sampling) -> Any:
            asked.append(sampling)
            return backend.generate(requests, sampling)

    form = PromptForm(instruct, tokenizer)
    path = tmp_path / "a.sqlite"
    answerer = Answerer(lambda: kept(Noted(), path), "m", path, max_new_tokens=40, seed=0, form=form)
    answers = answerer.answer(dataset, [bench.prompt(task, form) for task in TASKS], stops)
    for task, (answer,) in zip(TASKS, answers, strict=True):
        prompt = task.prompt.strip() + "\n"
        vars(official.model).pop("_get_stopping_criteria", None)  # it puts the task's own around the one before
        (impl,) = official.codegen(prompt, do_sample=False, num_samples=1)
        solution = prompt + impl if official.is_direct_completion() else impl  # as evalplus.codegen.codegen
        assert bench.program(task, answer.text, form) == solution
    assert [sampling.stops for sampling in asked] == [stops]
    assert sum(answer.text != whole for (answer,), whole in zip(answers, ANSWERS, strict=True)) >= 4, (
        "cut at end strings"
    )
