"""Answers of models that reason, or answer with no program, on benchmarks with and without a sanitizer."""

import pytest

from iterpref_core.evaluation.benchmarks.benchmark import PromptMode
from iterpref_core.evaluation.benchmarks.suites import open_benchmark
from iterpref_core.evaluation.evaluation import sanitizing
from iterpref_core.models.inference.adaptations import LEAST_TEMPERATURE, OWN_TEMPERATURE
from iterpref_core.models.pretrained.chat_template import ChatTemplate
from tests.chat_templates import FAMILIES
from tests.evaluation.evaluation.scoring import RecordedModel, asked

RIGHT = "```python\ndef truncate_number(number):\n    return number % 1.0\n```\n"
DRAFT = "```python\ndef truncate_number(number):\n    whole = int(number)\n    rest = whole\n    return rest\n```\n"
PROSE = "I think that we should take the rest of a division by one, since it says so.\n"


def measured(setting, answer, benchmark="humaneval", **options):
    """The entry of a model behind an endpoint that gives the same answer to each task."""
    return asked(benchmark, RecordedModel(lambda _: answer), setting, **options)


@pytest.fixture
def one_task(evalplus_slice):
    evalplus_slice("humaneval", "HumanEval/2")


@pytest.mark.usefixtures("one_task")
@pytest.mark.parametrize("end", ["<think>\n{}\n</think>\n", "{}\n</think>\n\n", "[THINK]{}[/THINK]"])
def test_reasoning_is_removed_before_the_sanitizer_and_said(setting, end):
    entry = measured(setting, end.format(f"Perhaps so:\n{DRAFT}No.\n" * 60) + RIGHT)
    assert entry["pass_at_1"] == 1
    assert entry["answers"] == {"empty": 0, "no_program": 0, "no_entry_point": 0, "reasoning_removed": 1}


@pytest.mark.usefixtures("one_task")
def test_an_answer_that_would_take_the_sanitizer_minutes_is_read_by_our_rule_and_said(setting, caplog):
    entry = measured(setting, PROSE * 1200 + RIGHT)
    assert entry["pass_at_1"] == 1
    assert entry["answers"]["not_sanitized"] == 1
    assert "humaneval: 1 of 1 answers are too long (over 300 lines) for evalplus.sanitize" in caplog.text


@pytest.mark.usefixtures("one_task")
def test_an_answer_on_which_the_sanitizer_fails_is_read_by_our_rule_and_counted(setting, monkeypatch):
    monkeypatch.setattr(sanitizing, "_CPU_S", 0.2)
    entry = measured(setting, PROSE * 280 + RIGHT)
    assert (entry["pass_at_1"], entry["answers"]["not_sanitized"]) == (1, 1)


@pytest.mark.usefixtures("one_task")
def test_a_base_model_s_text_is_left_as_it_is(setting):
    entry = measured(setting, "    return number % 1.0  # not </think>\n", mode=PromptMode(instruct=False))
    assert entry["pass_at_1"] == 1
    assert entry["sampling"]["protocol"] == "evalplus 0.3.1, completion"


@pytest.mark.usefixtures("problems")
@pytest.mark.parametrize(
    ("answer", "counts", "said"),
    [
        ("", (2, 2, 0), "heldout: 2 of 2 answers hold no program (2 are empty)"),
        ("I cannot do that.", (0, 2, 0), "heldout: 2 of 2 answers hold no program (0 are empty)"),
        ("def double(x): return 2 * x", (0, 0, 2), "heldout: 2 of 2 answers do not define the function"),
        ("def f(x): return (", (0, 0, 0), ""),
        ("def f(x): return 2 * x", (0, 0, 0), ""),
    ],
)
def test_0_percent_has_a_reason(setting, caplog, answer, counts, said):
    entry = measured(setting, answer, "heldout")
    assert entry["answers"] == dict(zip(("empty", "no_program", "no_entry_point"), counts, strict=True))
    assert said in caplog.text
    assert said or "answers" not in caplog.text


@pytest.mark.usefixtures("problems")
@pytest.mark.parametrize(
    ("adapted", "temperature"),
    [((), 0), (("temperature",), OWN_TEMPERATURE), (("temperature 0",), LEAST_TEMPERATURE)],
)
def test_the_temperature_that_a_server_takes_is_in_the_results(setting, adapted, temperature):
    model = RecordedModel(lambda _: "def f(x): return x")
    model.adapted = set(adapted)
    entry = asked("heldout", model, setting)
    assert entry["sampling"]["temperature"] == temperature


ADDS = "```python\ndef add(x, y):\n    return x + y\n```\n"
SUBTRACTS = "Perhaps\n```python\ndef add(x, y):\n    return x - y\n```\nNo.\n"


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
    ("answer", "verdict"), [(f"{SUBTRACTS}</think>\n{ADDS}", "passed"), (SUBTRACTS, "exception"), (ADDS, "exception")]
)
def test_only_what_stands_behind_the_reasoning_is_the_program(evalplus_slice, setting, template, answer, verdict):
    evalplus_slice("humaneval", "HumanEval/53")
    entry = asked("humaneval", RecordedModel(lambda _: answer), setting, PromptMode(True, template))
    assert entry["verdicts"] == {"HumanEval/53": [verdict]}
    assert entry["sampling"]["protocol"] == "evalplus 0.3.1, chat, reasoning"
