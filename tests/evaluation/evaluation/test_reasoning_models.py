"""Reasoning models of this machine: asked with their generation prompt, and read behind their reasoning."""

import pytest

from iterpref_core.evaluation.benchmarks.benchmark import PromptMode
from iterpref_core.evaluation.benchmarks.suites import open_benchmark
from iterpref_core.models.pretrained.chat_template import ChatTemplate
from tests.chat_templates import FAMILIES
from tests.evaluation.evaluation.scoring import RecordedModel, asked

PROGRAM = "```python\ndef add(x, y):\n    return x + y\n```\n"
DRAFT = "Perhaps\n```python\ndef add(x, y):\n    return x - y\n```\nNo.\n"


@pytest.fixture
def template():
    from iterpref_core.nanolab.embedded_models import train_tokenizer

    tokenizer = train_tokenizer(["one two"], 300)
    tokenizer.chat_template = FAMILIES["R1"].template
    return ChatTemplate(tokenizer)


def test_a_model_whose_template_opens_reasoning_is_asked_to_reason(evalplus_slice, setting, template):
    evalplus_slice("humaneval", "HumanEval/53")
    humaneval = open_benchmark("humaneval", setting)
    mode = PromptMode(True, template)
    (task,) = humaneval.tasks.values()
    asked = humaneval.prompt(task, mode)
    assert asked.text.endswith("```\n<|im_end|>\n<|im_start|>assistant\n<think>\n")
    assert "Below is a Python script" not in asked.text
    assert (asked.raw, asked.opened, humaneval.stops(mode)) == (True, "<think>", ())


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "R1"])
def test_other_templates_open_no_reasoning(family, template):
    """Also where an empty think block stands before finished answers."""
    template.tokenizer.chat_template = FAMILIES[family].template
    assert PromptMode(True, ChatTemplate(template.tokenizer, FAMILIES[family].prompt_format)).reasoning == ""


@pytest.mark.parametrize(
    ("answer", "verdict"), [(f"{DRAFT}</think>\n{PROGRAM}", "passed"), (DRAFT, "exception"), (PROGRAM, "exception")]
)
def test_only_what_stands_behind_the_reasoning_is_the_program(evalplus_slice, setting, template, answer, verdict):
    evalplus_slice("humaneval", "HumanEval/53")
    entry = asked("humaneval", RecordedModel(lambda _: answer), setting, PromptMode(True, template))
    assert entry["verdicts"] == {"HumanEval/53": [verdict]}
    assert entry["sampling"]["protocol"] == "evalplus 0.3.1, chat, reasoning"
