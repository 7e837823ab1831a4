"""Reasoning models of this machine: asked with their generation prompt, and read behind their reasoning."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from iterpref_core.evaluation.benchmarks.benchmark import Benchmark, EvaluationSetting, PromptMode
from iterpref_core.evaluation.benchmarks.suites import open_benchmark
from iterpref_core.evaluation.evaluation.evaluation import ask_and_measure
from iterpref_core.evaluation.evaluation.sampler import Sampler
from iterpref_core.models.inference.backend import Completion, Request, Sampling
from iterpref_core.models.inference.ends import CUT, FINISHED
from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.records.errors import ConfigError
from tests.chat_templates import FAMILIES
from tests.evaluation.recorded_model import SAMPLING, RecordedModel, kept
from tests.evaluation.scoring import measuring

from .conftest import EvalPlusSlice

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PROGRAM = "```python\ndef add(x, y):\n    return x + y\n```\n"
DRAFT = "Perhaps\n```python\ndef add(x, y):\n    return x - y\n```\nNo.\n"


class Thinker(RecordedModel):
    """Thinks up to `</think>` where that ends its answer, and then goes on."""

    def __init__(self, *, cut: bool) -> None:
        super().__init__(lambda _: "")
        self._cut = cut

    def complete(self, requests: list[Request], sampling: Sampling) -> list[Completion]:  # type: ignore[override]
        self.asked += [(request, sampling) for request in requests]
        if sampling.stops:
            return [Completion(DRAFT, 10, sampling.max_new_tokens, CUT if self._cut else FINISHED) for _ in requests]
        return [Completion(PROGRAM, 20, 5) for _ in requests]


@pytest.fixture
def template() -> ChatTemplate:
    from iterpref_core.training.nanolab.byte_bpe import train_tokenizer

    tokenizer: PreTrainedTokenizerBase = train_tokenizer(["one two"], 300)
    tokenizer.chat_template = FAMILIES["R1"].template
    return ChatTemplate(tokenizer)


@pytest.fixture
def humaneval(evalplus_slice: EvalPlusSlice, setting: EvaluationSetting) -> Benchmark:  # type: ignore[type-arg]
    evalplus_slice("humaneval", "HumanEval/53")
    return open_benchmark("humaneval", measuring(setting, "humaneval"))


def test_a_model_whose_template_opens_reasoning_is_asked_to_reason(
    humaneval: Benchmark,  # type: ignore[type-arg]
    template: ChatTemplate,
) -> None:
    mode = PromptMode(True, template)
    (task,) = humaneval.tasks.values()
    asked = humaneval.prompt(task, mode)
    assert asked.text.endswith("```\n<|im_end|>\n<|im_start|>assistant\n<think>\n")
    assert "Below is a Python script" not in asked.text
    assert (asked.raw, asked.opened, humaneval.stops(mode)) == (True, "<think>", ())
    assert humaneval.mode_name(mode) == "chat, reasoning"


@pytest.mark.parametrize("budget", [None, 64])
def test_on_own_problems_the_finished_answer_counts_and_with_a_budget_the_model_reasons_before_it(
    problems: Path, setting: EvaluationSetting, template: ChatTemplate, tmp_path: Path, budget: int | None
) -> None:
    assert problems == setting.problems
    own = open_benchmark("heldout", measuring(setting, "heldout"))
    model = Thinker(cut=False)
    params = SAMPLING.model_copy(update={"max_thinking_tokens": budget})
    sampler = Sampler(kept(model, tmp_path / "a"), params, PromptMode(True, template))
    ask_and_measure(own, sampler, tmp_path)
    assert [request.raw for request, _ in model.asked] == [budget is not None] * (2 if budget is None else 4)
    assert ["<think>" in str(request.prompt) for request, _ in model.asked] == [budget is not None] * len(model.asked)


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "R1"])
def test_other_templates_open_no_reasoning(family: str, template: ChatTemplate) -> None:
    """Also where an empty think block stands before finished answers."""
    template.tokenizer.chat_template = FAMILIES[family].template
    assert PromptMode(True, ChatTemplate(template.tokenizer, FAMILIES[family].prompt_format)).reasoning == ""


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [(f"{DRAFT}</think>\n{PROGRAM}", "passed"), (DRAFT, "exception"), (PROGRAM, "exception")],
    ids=["closed", "not closed", "right, and not closed"],
)
def test_only_what_stands_behind_the_reasoning_is_the_program(
    humaneval: Benchmark,  # type: ignore[type-arg]
    template: ChatTemplate,
    tmp_path: Path,
    answer: str,
    verdict: str,
) -> None:
    sampler = Sampler(kept(RecordedModel(lambda _: answer), tmp_path / "a"), SAMPLING, PromptMode(True, template))
    result = ask_and_measure(humaneval, sampler, tmp_path).result
    assert result.verdicts == {"HumanEval/53": (verdict,)}
    assert result.sampling is not None
    assert result.sampling["protocol"] == "evalplus 0.3.1, chat, reasoning, reasoning removed"


@pytest.mark.parametrize("cut", [False, True])
def test_reasoning_ends_where_its_budget_does_and_the_answer_follows(
    humaneval: Benchmark,  # type: ignore[type-arg]
    template: ChatTemplate,
    tmp_path: Path,
    cut: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = Thinker(cut=cut)
    params = SAMPLING.model_copy(update={"max_thinking_tokens": 64})
    for _ in range(2):
        sampler = Sampler(kept(model, tmp_path / "a"), params, PromptMode(True, template))
        result = ask_and_measure(humaneval, sampler, tmp_path).result
        assert result.verdicts == {"HumanEval/53": ("passed",)}
        assert result.tokens is not None
        assert (result.tokens.prompt, result.tokens.completion) == (10, 64 + 5)
        assert result.sampling is not None
        assert result.sampling["max_thinking_tokens"] == 64
    (first, thinking), (second, answering) = model.asked  # kept: the second round asks nothing
    assert (thinking.max_new_tokens, thinking.stops) == (64, ("</think>",))
    assert (answering.max_new_tokens, answering.stops) == (SAMPLING.max_new_tokens, ())
    assert second.prompt == f"{first.prompt}{DRAFT.rstrip()}\n</think>\n\n"
    assert ("1 of 1 answers reasoned up to evaluation.max_thinking_tokens" in caplog.text) == cut


def test_a_budget_of_reasoning_needs_a_template_that_opens_it(template: ChatTemplate, tmp_path: Path) -> None:
    params = SAMPLING.model_copy(update={"max_thinking_tokens": 64})
    template.tokenizer.chat_template = FAMILIES["ChatML"].template
    for mode in (PromptMode(True), PromptMode(False), PromptMode(True, ChatTemplate(template.tokenizer))):
        with pytest.raises(ConfigError, match=r"evaluation\.max_thinking_tokens: only for a model of this machine"):
            Sampler(kept(RecordedModel(json.dumps), tmp_path / "a"), params, mode)
