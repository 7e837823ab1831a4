"""Framed prompts: the model's own template decides how an answer begins and ends."""

from pathlib import Path

import pytest

from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.records import Problem
from iterpref_core.records.errors import ModelError
from tests.chat_templates import FAMILIES, Family, make_tokenizer

from .conftest import RIGHT


@pytest.mark.parametrize("name", FAMILIES)
def test_an_answer_in_the_frame_of_a_family_is_read(name: str, problems: list[Problem]) -> None:
    from transformers import GenerationConfig

    from iterpref_core.models.pretrained.prompt_tokens import encode_prompts
    from iterpref_core.training.reinforcement.rendered_prompts import RenderedPrompts

    family = FAMILIES[name]
    tokenizer = make_tokenizer(family)
    template = ChatTemplate(tokenizer, family.prompt_format)
    prompts = RenderedPrompts(template, GenerationConfig())
    opening = prompts.render(problems[0])
    assert opening == template.render_prompt(problems[0].prompt)
    (asked,) = encode_prompts(template, [opening])
    assert prompts.encode([opening]) == [asked.ids]
    assert template.end.token in prompts.end_tokens
    written = tokenizer(asked.healing_prefix + RIGHT + template.end.text, add_special_tokens=False)["input_ids"]
    assert prompts.read([*written, template.end.token], prompts.first(problems[0])).strip() == RIGHT.strip()
    assert prompts.read(written[: len(written) // 4], prompts.first(problems[0])) != RIGHT, "an answer that was cut off"
    assert prompts.read([], prompts.first(problems[0])) == ""


def test_the_end_tokens_of_the_generation_config_end_answers_too(coin: Path) -> None:
    from transformers import GenerationConfig

    from iterpref_core.training.reinforcement.rendered_prompts import RenderedPrompts

    tokenizer = make_tokenizer(FAMILIES["ChatML"])
    prompts = RenderedPrompts(ChatTemplate(tokenizer), GenerationConfig(eos_token_id=[3, 5]))
    assert {3, 5, tokenizer.eos_token_id} <= set(prompts.end_tokens)


def test_a_template_that_ends_answers_with_text_is_refused() -> None:
    from transformers import GenerationConfig

    from iterpref_core.training.reinforcement.rendered_prompts import RenderedPrompts

    template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n### done\n{% endfor %}"
    template = ChatTemplate(make_tokenizer(Family(template, "", "")))
    with pytest.raises(ModelError, match="ends answers with the text '\\\\n### done' and no token"):
        RenderedPrompts(template, GenerationConfig())
