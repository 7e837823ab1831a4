"""What local models read and what is taken of their answers, against the benchmarks' own generators."""

import json
import os
from pathlib import Path

import pytest

from iterpref_core.evaluation.benchmarks import prefill
from iterpref_core.evaluation.benchmarks.benchmark import PromptMode
from iterpref_core.evaluation.benchmarks.bigcodebench.suite import BigCodeBench, BigCodeBenchTask
from iterpref_core.evaluation.benchmarks.evalplus.suite import EvalPlus
from iterpref_core.evaluation.benchmarks.evalplus.tasks import EvalPlusTask
from iterpref_core.evaluation.benchmarks.published_tasks import read_tasks
from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.records import PUBLISHED
from tests.evaluation.benchmarks.bigcodebench.two_tasks import DOUBLE
from tests.evaluation.evaluation.conftest import VARIABLES

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
def tokenizer():
    from iterpref_core.nanolab.embedded_models import train_tokenizer

    return train_tokenizer([prefill.INSTRUCTION, prefill.RESPONSE, *ANSWERS], 400)


@pytest.fixture(params=["chatml", *(pytest.param(name, marks=pytest.mark.slow) for name in (*CHATS, "smollm2")[1:])])
def chat(request, tokenizer):
    if request.param == "smollm2":
        from iterpref_core.models.pretrained.tokenizers import load_tokenizer

        yield load_tokenizer(request.getfixturevalue("smollm2"))
        return
    own, tokenizer.chat_template = tokenizer.chat_template, CHATS[request.param]
    tokenizer.bos_token = "<|end|>"
    yield tokenizer
    tokenizer.chat_template, tokenizer.bos_token = own, None


def evalplus(dataset="humaneval"):
    """What asks and extracts; its data need not be here."""
    bench = EvalPlus.__new__(EvalPlus)
    bench.dataset = dataset
    return bench


def task_of(prompt):
    fields = {"task_id": "HumanEval/0", "entry_point": "f", "canonical_solution": "", "atol": 0.0}
    return EvalPlusTask(prompt=prompt, base_input=[], plus_input=[], **fields)


def bigcodebench(split="complete"):
    bench = BigCodeBench.__new__(BigCodeBench)
    bench.split = split
    return bench


@pytest.mark.parametrize("dataset", ["humaneval", "mbpp"])
def test_what_a_local_model_reads_is_what_evalplus_hands_it(dataset, chat, monkeypatch):
    from evalplus.provider import utility

    if not os.environ.get(VARIABLES[dataset]):
        pytest.skip(f"set {VARIABLES[dataset]} to compare the prompts of all its tasks")
    tasks = list(read_tasks(PUBLISHED[dataset], EvalPlusTask)[1].values())
    prefixes = official_prefixes(monkeypatch)
    for task in tasks:
        given = task.prompt.strip() + "\n"  # as evalplus.codegen.codegen hands it to a provider
        official = utility.make_raw_chat_prompt(given, *prefixes, chat)
        assert evalplus().prompt(task, PromptMode(True, ChatTemplate(chat))).text == official
        assert official.endswith(f"{prefixes[1]}\n```python\n")
    monkeypatch.setattr(chat, "chat_template", None)
    for task in tasks:
        given = task.prompt.strip() + "\n"
        prompt = evalplus().prompt(task, PromptMode(False, ChatTemplate(chat))).text
        assert ChatTemplate(chat).render_prompt(prompt) == utility.make_raw_chat_prompt(given, *prefixes, chat) == given


def official_prefixes(monkeypatch):
    """Instruction and response prefix, as `evalplus.codegen` hands them to whatever makes the model."""
    from evalplus import codegen

    seen = {}
    monkeypatch.setattr(codegen, "make_model", lambda **given: seen.update(given))
    monkeypatch.setattr(codegen, "codegen", lambda **_: None)
    monkeypatch.setattr(codegen.os, "makedirs", lambda *_, **__: None)
    codegen.run_codegen("m", "humaneval", greedy=True, bs=1)
    return seen["instruction_prefix"], seen["response_prefix"]


def test_a_chat_model_behind_an_endpoint_is_asked_as_evalplus_asks_it():
    from evalplus.gen.util import openai_request

    task = task_of("\ndef f(x):\n    pass\n")
    sent = {}

    class Client:
        chat = property(lambda self: self)
        completions = property(lambda self: self)

        def create(self, **given):
            sent.update(given)

    message = prefill.INSTRUCTION + f"\n```python\n{task.prompt.strip()}\n```"  # evalplus.provider.openai
    openai_request.make_request(Client(), message, "m")
    asked = evalplus().prompt(task, PromptMode(True))
    assert sent["messages"] == [
        {"role": "system", "content": asked.system},
        {"role": "user", "content": asked.text},
    ]


@pytest.mark.parametrize("split", ["complete", "instruct"])
def test_what_a_model_reads_is_what_bigcodebench_hands_it(split, tokenizer):
    # Made with bigcodebench 0.2.5's own `make_raw_chat_prompt`, which is not installed here.
    path = Path(__file__).parent / "bigcodebench" / "recorded_prompts.json"
    recorded = json.loads(path.read_text())
    task = BigCodeBenchTask.model_validate(DOUBLE)
    own, tokenizer.bos_token = tokenizer.chat_template, "<|end|>"
    for name, template in CHATS.items():
        tokenizer.chat_template = template
        prompt = bigcodebench(split).prompt(task, PromptMode(True, ChatTemplate(tokenizer))).text
        assert prompt == recorded[f"{name} {split}"]
    tokenizer.chat_template, tokenizer.bos_token = own, None
    assert bigcodebench(split).prompt(task, PromptMode(True)).text == recorded[f"endpoint {split}"]
    assert bigcodebench().prompt(task, PromptMode(False)).text == recorded["completion"]


class Reciting:
    """A model that answers what it is told to."""

    answer = ""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def to(self, _):
        return self

    def register_stop_texts(self, **_):
        return self

    def generate(self, read, **_):
        import torch

        return torch.cat([read, self.tokenizer.encode(self.answer, return_tensors="pt")], 1)


@pytest.mark.parametrize("dataset", ["humaneval", "mbpp"])
@pytest.mark.parametrize("instruct", [True, False])
def test_what_is_taken_of_an_answer_is_what_evalplus_takes(dataset, instruct, tokenizer, tmp_path, monkeypatch):
    from evalplus.provider import hf, utility

    model = Reciting(tokenizer)
    tokenizer.save_pretrained(tmp_path)
    monkeypatch.setattr("evalplus.provider.base.EOS", list(utility.EOS))  # which providers add to
    monkeypatch.setattr(hf.AutoModelForCausalLM, "from_pretrained", lambda *_, **__: model)
    monkeypatch.setattr(hf, "StopSequencer", lambda *_, **__: model)
    prefixes = {"instruction_prefix": prefill.INSTRUCTION, "response_prefix": prefill.RESPONSE}
    options = {"temperature": 0.0, "max_new_tokens": 40, "dtype": "float32"}
    official = hf.HuggingFaceDecoder(str(tmp_path), dataset, force_base_prompt=not instruct, **options, **prefixes)
    bench, mode = evalplus(dataset), PromptMode(instruct, ChatTemplate(tokenizer))
    assert official.eos == list(bench.stops(mode))
    task = task_of('\ndef f(x):\n    """F."""\n')
    prompt = task.prompt.strip() + "\n"
    for model.answer in ANSWERS:
        (impl,) = official.codegen(prompt, do_sample=False, num_samples=1)
        solution = prompt + impl if official.is_direct_completion() else impl  # as evalplus.codegen.codegen
        assert bench.program(task, model.answer, mode) == solution
