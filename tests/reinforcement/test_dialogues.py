"""Dialogues: an answer that fails is followed by its feedback and another answer, and the feedback is not trained."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from iterpref_core.errors import ConfigError, RecordError
from iterpref_core.execution import Engine, open_executor
from iterpref_core.prompts.codeflow_prompts import refine_prompt
from iterpref_core.records import AssertTest, Problem
from tests.chat_templates import FAMILIES, make_tokenizer
from tests.settings import EXECUTION

from .conftest import PROMPTS, RIGHT, WRONG, Train, settings

if TYPE_CHECKING:
    from iterpref_core.reinforcement.dialogues import Dialogues
    from iterpref_core.reinforcement.rendered_prompts import RenderedPrompts

FEEDBACK = "f(1) returned 0, expected 2"


@pytest.fixture(scope="module")
def prompts(coin: Path) -> RenderedPrompts:
    from transformers import GenerationConfig

    from iterpref_core.models.tokenizers import load_chat_template
    from iterpref_core.reinforcement.rendered_prompts import RenderedPrompts

    return RenderedPrompts(load_chat_template(coin), GenerationConfig())


def with_template(coin: Path, chat_template: str | None) -> RenderedPrompts:
    """Return the prompts of the tiny model with another chat template; None leaves its own."""
    from transformers import GenerationConfig

    from iterpref_core.models.chat_template import ChatTemplate
    from iterpref_core.models.tokenizers import load_chat_template
    from iterpref_core.reinforcement.rendered_prompts import RenderedPrompts

    tokenizer = load_chat_template(coin).tokenizer
    tokenizer.chat_template = chat_template or tokenizer.chat_template
    return RenderedPrompts(ChatTemplate(tokenizer), GenerationConfig())


class Script:
    """A model that gives the answers of a script, one list for each turn, and keeps what it was asked."""

    def __init__(self, prompts: RenderedPrompts, *turns: list[str], ended: bool = True) -> None:
        self._tokenizer = prompts._template.tokenizer
        self._turns = list(turns)
        self._ended = ended
        self.asked: list[list[str]] = []

    def ids(self, answer: str) -> list[int]:
        ids: list[int] = self._tokenizer(answer, add_special_tokens=False)["input_ids"]
        return [*ids, self._tokenizer.eos_token_id] if self._ended else ids

    def __call__(self, texts: list[list[int]]) -> list[list[int]]:
        self.asked.append([self._tokenizer.decode(text) for text in texts])
        answers = self._turns.pop(0)
        assert len(answers) == len(texts)
        return [self.ids(answer) for answer in answers]


def lead(
    prompts: RenderedPrompts, problems: list[Problem], tasks: list[str], script: Script, **grpo: Any
) -> tuple[dict[str, Any], Dialogues]:
    from iterpref_core.reinforcement.dialogues import Dialogues

    params = settings(**{"turns": 2} | {name: value for name, value in grpo.items() if name != "max_length"})
    if "max_length" in grpo:
        params = params.model_copy(update={"max_length": grpo["max_length"]})
    with open_executor(EXECUTION) as executor:
        dialogues = Dialogues(params, {problem.task_id: problem for problem in problems}, prompts, executor)
        return dialogues.lead(tasks, script), dialogues


def test_only_a_dialogue_whose_answer_fails_has_another_turn(prompts: RenderedPrompts, problems: list[Problem]) -> None:
    script = Script(prompts, [WRONG, RIGHT, WRONG], [RIGHT, WRONG])
    found, dialogues = lead(prompts, problems, ["p0", "p1", "p2"], script)
    assert [len(row.turns) for row in dialogues.rows] == [2, 1, 2]
    assert [turn.text for turn in found["last_answers"]] == [RIGHT, RIGHT, WRONG]
    assert dialogues.metrics == {"turns": pytest.approx(5 / 3), "turns/no_room": 0.0}
    first, second = script.asked
    assert [text.count(PROMPTS[number]) for number, text in enumerate(first)] == [1, 1, 1]
    # The second prompt is CodeFlow's, behind all that the model has read and written.
    for text, opening, prompt in zip(second, (first[0], first[2]), (PROMPTS[0], PROMPTS[2]), strict=True):
        assert text.startswith(opening + WRONG)
        assert refine_prompt(prompt, WRONG, FEEDBACK) in text[len(opening) :]


@pytest.mark.parametrize("ended", [True, False])
def test_the_mask_marks_what_the_model_wrote(prompts: RenderedPrompts, problems: list[Problem], ended: bool) -> None:
    """An answer that was cut has no end token of its own; the template's, which is put behind it, is not trained."""
    script = Script(prompts, [WRONG], [RIGHT], ended=ended)
    found, dialogues = lead(prompts, problems, ["p0"], script)
    (ids,), (mask,) = found["completion_ids"], found["env_mask"]
    tokenizer = prompts._template.tokenizer
    written = [token for token, one in zip(ids, mask, strict=True) if one]
    assert written == script.ids(WRONG) + script.ids(RIGHT)
    given = tokenizer.decode([token for token, one in zip(ids, mask, strict=True) if not one])
    assert FEEDBACK in given
    (row,) = dialogues.rows
    last = row.turns[-1]
    assert ids[last.start : last.start + len(last.ids)] == last.ids == script.ids(RIGHT)


CHATML = "{% for m in messages %}<{{ m.role }}>\n{{ m.content }}<|end|>\n{% endfor %}"
_EXCHANGE = """{{ messages[0].content }}<|end|>
{% if messages[-1].role == "assistant" %}{{ messages[-1].content }}<|end|>{% endif %}"""
REFUSES = """{% if messages|length > 2 %}{{ raise_exception("One exchange, please") }}{% endif %}""" + _EXCHANGE
FORGETS = _EXCHANGE.replace("messages[0]", "messages[-2 if messages|length > 3 else 0]")


@pytest.mark.parametrize("chat_template", [None, CHATML], ids=["embedded", "chatml"])
@pytest.mark.parametrize("ended", [True, False])
def test_a_dialogue_is_the_text_that_the_template_writes(
    coin: Path, problems: list[Problem], chat_template: str | None, ended: bool
) -> None:
    """The template of the embedded models, and one that writes more around each message."""
    prompts = with_template(coin, chat_template)
    template = prompts._template
    found, _ = lead(prompts, problems, ["p0"], Script(prompts, [WRONG], [RIGHT], ended=ended))
    text = template.tokenizer.decode(found["prompt_ids"][0] + found["completion_ids"][0])
    chat = template.render_chat(
        [
            {"role": "user", "content": PROMPTS[0]},
            {"role": "assistant", "content": WRONG},
            {"role": "user", "content": refine_prompt(PROMPTS[0], WRONG, FEEDBACK)},
            {"role": "assistant", "content": RIGHT},
        ]
    )
    assert text == (chat.removesuffix("\n") if ended else chat.removesuffix("\n").removesuffix("<|end|>"))


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_later_turn_is_what_a_family_s_template_writes_behind_an_answer(
    name: str, problems: list[Problem], ended: bool
) -> None:
    """Before the answer stands what the model has read: a template may write an earlier answer otherwise (Qwen3)."""
    from transformers import GenerationConfig

    from iterpref_core.models.chat_template import ChatTemplate
    from iterpref_core.reinforcement.rendered_prompts import RenderedPrompts

    family = FAMILIES[name]
    template = ChatTemplate(make_tokenizer(family), family.prompt_format)
    prompts = RenderedPrompts(template, GenerationConfig())
    wrong = WRONG.strip()
    asked = prompts.first(problems[0])
    written = f"{asked.healing_prefix}{wrong}{template.end.text if ended else ''}"
    assert template.end.token is not None
    answer = template.tokenizer(written, add_special_tokens=False)["input_ids"]
    refinement = refine_prompt(PROMPTS[0], wrong, FEEDBACK)
    following = prompts.following(problems[0], refinement, ended=ended)
    end = [template.end.token] if ended else []
    text = template.tokenizer.decode(answer + end + following.ids) + following.healing_prefix
    chat = [("user", PROMPTS[0]), ("assistant", wrong), ("user", refinement), ("assistant", "last answer")]
    rendered = template.render_chat([{"role": role, "content": content} for role, content in chat])
    expected, *_ = rendered.partition(wrong)[2].rpartition("last answer")
    assert text.partition(wrong)[2] == expected
    assert refinement.strip() in expected


def test_without_a_template_a_later_turn_is_a_prompt_of_its_own(coin: Path, problems: list[Problem]) -> None:
    from transformers import GenerationConfig

    from iterpref_core.config import PromptFormat
    from iterpref_core.models.tokenizers import load_chat_template
    from iterpref_core.reinforcement.rendered_prompts import RenderedPrompts

    prompts = RenderedPrompts(load_chat_template(coin, PromptFormat(template="plain")), GenerationConfig())
    for ended in (True, False):
        found, _ = lead(prompts, problems, ["p0"], Script(prompts, [WRONG], [RIGHT], ended=ended))
        text = prompts._template.tokenizer.decode(found["completion_ids"][0])
        assert text.removesuffix("<|end|>") == f"{WRONG}<|end|>{refine_prompt(PROMPTS[0], WRONG, FEEDBACK)}\n{RIGHT}"


@pytest.mark.parametrize(
    ("chat_template", "reason"),
    [(REFUSES, "One exchange, please"), (FORGETS, "leaves an earlier answer out")],
    ids=["refuses", "forgets"],
)
def test_a_template_without_a_second_turn_is_refused_before_the_model_loads(
    tmp_path: Path, coin: Path, problems_file: Path, monkeypatch: pytest.MonkeyPatch, chat_template: str, reason: str
) -> None:
    from iterpref_core.reinforcement import grpo

    model = tmp_path / "model"
    shutil.copytree(coin, model)
    (model / "chat_template.jinja").write_text(chat_template, encoding="utf-8")
    monkeypatch.delattr(grpo, "load_policy")
    places = tmp_path / "out", tmp_path / "curve.csv", tmp_path / "work"
    with pytest.raises(ConfigError, match=rf"training.grpo.turns: 2: .*{reason}.*set 1"):
        grpo.train_grpo(problems_file, model, settings(turns=2), EXECUTION, *places)


def test_a_hidden_test_gives_no_feedback(prompts: RenderedPrompts, problems: list[Problem]) -> None:
    """The program passes the visible test, so CodeFlow ends here; the reward counts the hidden one, too."""
    answer = "def f(x):\n    return 2\n"
    _, dialogues = lead(prompts, problems, ["p0"], Script(prompts, [answer]), turns=3)
    assert [len(row.turns) for row in dialogues.rows] == [1]


def test_turns_end_at_their_number(prompts: RenderedPrompts, problems: list[Problem]) -> None:
    script = Script(prompts, [WRONG], [WRONG], [WRONG])
    found, dialogues = lead(prompts, problems, ["p0"], script, turns=3)
    assert [len(row.turns) for row in dialogues.rows] == [3]
    assert sum(found["env_mask"][0]) == 3 * len(script.ids(WRONG))


def test_a_dialogue_stays_within_max_length(prompts: RenderedPrompts, problems: list[Problem]) -> None:
    script = Script(prompts, [WRONG], [RIGHT])
    found, _ = lead(prompts, problems, ["p0"], script)
    between = len(found["env_mask"][0]) - sum(found["env_mask"][0])
    longest = len(found["prompt_ids"][0]) + len(script.ids(WRONG)) + between + settings().grpo.max_new_tokens
    _, fits = lead(prompts, problems, ["p0"], Script(prompts, [WRONG], [RIGHT]), max_length=longest)
    found, cut = lead(prompts, problems, ["p0"], Script(prompts, [WRONG]), max_length=longest - 1)
    assert [len(rows.rows[0].turns) for rows in (fits, cut)] == [2, 1]
    assert cut.metrics == {"turns": 1.0, "turns/no_room": 1.0}
    assert found["completion_ids"] == [script.ids(WRONG)], "no prompt that nothing answers"


def test_rewards_are_those_of_the_last_answer(prompts: RenderedPrompts, problems: list[Problem]) -> None:
    from iterpref_core.reinforcement.dialogues import Dialogues
    from iterpref_core.reinforcement.rewards import Rewards

    by_name = {problem.task_id: problem for problem in problems}
    script = Script(prompts, [WRONG, WRONG], [RIGHT, WRONG])
    params = settings(turns=2, rewards={"passes_tests": 1.0, "mine:f": 1.0})
    programs = []

    def own(**given: Any) -> list[float]:
        programs.append((given["programs"], "last_answers" in given))
        return [0.0, 0.0]

    with open_executor(EXECUTION) as executor:
        led = Dialogues(params, by_name, prompts, executor).lead(["p0", "p1"], script)
        rewards = Rewards(params, by_name, prompts, executor, {"mine:f": own})
        keywords = {
            "completion_ids": led["completion_ids"],
            "task_id": ["p0", "p1"],
            "last_answers": led["last_answers"],
            "log_metric": lambda *_: None,
        }
        assert rewards.functions[0](**keywords) == [1.0, 0.0]
        rewards.functions[1](**keywords)
    assert programs == [([RIGHT, WRONG], False)], "TRL's keywords and ours, and no other"


@pytest.mark.parametrize(
    ("grpo", "training", "message"),
    [
        ({"backend": "vllm"}, {}, "turns: 2: later turns are drawn by transformers alone"),
        (
            {},
            {"max_length": 48},
            "turns: 2: two answers of training.grpo.max_new_tokens = 24 and their prompts have no room in ",
        ),
    ],
)
def test_dialogues_that_cannot_be_had_are_refused_before_the_model_loads(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch, grpo: Any, training: Any, message: str
) -> None:
    from iterpref_core.reinforcement import grpo as module
    from iterpref_core.reinforcement import grpo_settings

    monkeypatch.delattr(module, "load_policy")
    monkeypatch.setattr(grpo_settings, "find_spec", lambda _: True)
    with pytest.raises(ConfigError, match=message):
        train("run", settings(turns=2, **grpo).model_copy(update=training))
    assert not (tmp_path / "run").exists()


def test_several_processes_lead_no_dialogues() -> None:
    from iterpref_core.reinforcement.grpo_settings import check_grpo_settings

    with pytest.raises(ConfigError, match="turns: 2: dialogues are led in one process, and 2 train here"):
        check_grpo_settings(settings(turns=2).model_copy(update={"micro_batch_size": 8}), processes=2)


def test_error_regions_need_tests(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    from iterpref_core.reinforcement import grpo

    monkeypatch.delattr(grpo, "load_policy")
    with pytest.raises(ConfigError, match=r"advantage: error-region: needs tests, .* add passes_tests"):
        train("run", settings(advantage="error-region", rewards={"format": 1.0}))


def test_a_problem_without_a_visible_test_gives_no_feedback(
    tmp_path: Path, problems: list[Problem], prompts: RenderedPrompts, executor: Engine
) -> None:
    from iterpref_core.reinforcement.rewarded_problems import survey_problems
    from iterpref_core.storage.jsonl import write_jsonl

    hidden = problems[0].model_copy(update={"tests": (), "hidden_tests": (AssertTest(code="assert f(5) == 6"),)})
    path = tmp_path / "hidden.jsonl"
    write_jsonl(path, [hidden])
    assert survey_problems(path, prompts, settings(), executor).names == ("p0",)
    with pytest.raises(RecordError, match="problem 'p0': field 'tests' is empty"):
        survey_problems(path, prompts, settings(turns=2), executor)


@pytest.mark.slow
def test_a_killed_training_of_dialogues_resumes_and_ends_with_the_same_weights(
    tmp_path: Path, train: Train, problems_file: Path, coin: Path
) -> None:
    """With adapters, a reference, two micro-batches a step, and advantages on error regions."""
    import torch
    from safetensors.torch import load_file

    from .test_grpo import _train_and_die

    params = settings(beta=0.1, steps=4, turns=2, advantage="error-region").model_copy(
        update={"lora": {"r": 4}, "micro_batch_size": 8}
    )
    uninterrupted = train("whole", params)
    killed = tmp_path / "killed"
    _train_and_die(killed, problems_file, coin, params, last_step=3)
    assert not (killed / "out").exists()
    assert train("killed", params) == uninterrupted
    curve = (tmp_path / "whole" / "curve.csv").read_bytes()
    assert (killed / "curve.csv").read_bytes() == curve
    assert b"turns,turns/repaired,turns/no_room" in curve
    assert b"error_regions" in curve
    whole, resumed = (load_file(folder / "out" / "model.safetensors") for folder in (tmp_path / "whole", killed))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
