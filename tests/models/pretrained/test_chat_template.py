"""What stands around an answer is what the model's own chat template writes there."""

import json

import pytest
from tokenizers.processors import TemplateProcessing

from iterpref_core.models.inference.backend import Request
from iterpref_core.models.inference.request_tokens import encode_requests
from iterpref_core.models.pretrained.chat_template import ChatTemplate, render_answer
from iterpref_core.models.pretrained.prompt_tokens import encode_prompts
from iterpref_core.programs.answers.extraction import extract_program
from iterpref_core.records import ModelError, PromptFormat
from tests.chat_templates import EXCHANGES, FAMILIES, OTHERS, TURNS, Family, make_tokenizer, write_exchange

ALL = FAMILIES | OTHERS
PROMPT, PROGRAM = EXCHANGES[0]
REFUSES_ANSWERS = (
    "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ raise_exception('only users') }}{% endif %}"
    "{{ m['content'] }}{% endfor %}"
)


@pytest.fixture(scope="module", params=ALL)
def family(request):
    return ALL[request.param]


@pytest.fixture(scope="module")
def tokenizer(family):
    return make_tokenizer(family)


def template_of(template, **variables):
    family = Family(template, "", "")
    return ChatTemplate(make_tokenizer(family), PromptFormat(chat_template_kwargs=variables))


SHOWS_FENCES = "def f(x):\n    '''As in\n\n    ```python\n    f(1)\n    ```\n    '''\n    return x"


@pytest.mark.parametrize(
    "program",
    [
        *("x = 1\n", "x = 1", "", "\n\nx = 1\r\n", "s = '```'\n", "# ```python\nx = 1\n"),
        *(SHOWS_FENCES, f"{SHOWS_FENCES} +", SHOWS_FENCES.replace("):", ")"), "print(r'''\n```\n'''\n"),
    ],
)
def test_a_rendered_answer_holds_the_program_where_it_says(program):
    assert render_answer(program, "bare") == (program, 0)
    answer, begin = render_answer(program, "fenced")
    assert answer[begin:].startswith(program)
    assert answer.startswith("```python\n")
    assert answer.endswith("\n```")
    if "`" not in program:
        assert (extract_program(answer) or "").strip("\n") == program.replace("\r\n", "\n").strip("\n")


@pytest.mark.parametrize(
    "answer",
    [
        *("So:\n\n```python\nx = 1\n```\n\nDone.", "```py\nx = 1\n```", "~~~\nx = 1\n~~~", "````\nx = 1\n````\r\n"),
        *("1. So:\n\n   ```\n   x = 1\n   ```", "> ```python\n> x = 1\n> ```", "```js\nx\n```"),
        "Use ''' here:\n```python\nx = 1",
        f"{SHOWS_FENCES}\n\nIn use:\n```python\nf(1)\n```",
    ],
)  # fmt: skip
def test_an_answer_with_fences_of_its_own_gets_no_other(answer):
    assert render_answer(answer, "fenced") == (answer, 0)


def test_an_answer_stands_where_the_template_puts_it(family, tokenizer):
    template = ChatTemplate(tokenizer, family.prompt_format)
    template.check()
    rendered = template.render_exchange(PROMPT, PROGRAM)
    assert rendered.prompt == template.render_prompt(PROMPT)
    assert rendered.prompt.endswith(family.opening)
    end = template.end.text + (
        "" if template.end.token is None else tokenizer.convert_ids_to_tokens(template.end.token)
    )
    assert end == family.end
    if template.end.written:
        again = {"role": "user", "content": "Next."}
        chat = [{"role": "user", "content": PROMPT}, {"role": "assistant", "content": PROGRAM}, again]
        one = write_exchange(tokenizer, family, PROMPT, PROGRAM)
        text = one if one.endswith(("\n", ">")) else tokenizer.apply_chat_template(chat, tokenize=False)
        assert text.startswith(rendered.prompt + rendered.answer + end)
    assert bool(template.disagreement) == family.disagrees


def test_the_line_that_shows_what_is_trained():
    assert ChatTemplate(make_tokenizer(FAMILIES["ChatML"])).describe("bare") == (
        "`…<|im_end|>\\n<|im_start|>assistant\\n` | program | `<|im_end|>`"
    )
    assert ChatTemplate(make_tokenizer(FAMILIES["Llama 2"])).describe("fenced") == (
        "`… [/INST] ` | ```python\\nprogram\\n``` | ` </s>`"
    )
    plain = PromptFormat(template="plain")
    assert ChatTemplate(make_tokenizer(FAMILIES["Llama 2"]), plain).describe("bare") == "`…\\n` | program | `</s>`"


def test_where_the_generation_prompt_disagrees_it_is_shown_with_both():
    template = ChatTemplate(make_tokenizer(FAMILIES["R1"]))
    assert "goes on with '<think>\\n', the other with 'the answer'" in template.disagreement
    assert "the finished answer counts" in template.remark
    assert "writes no end of an answer" in ChatTemplate(make_tokenizer(OTHERS["no end"])).remark


def test_a_system_message_begins_the_users_where_the_template_has_no_place_for_one():
    refuses, drops, knows = (ChatTemplate(make_tokenizer(FAMILIES[name])) for name in ("Gemma", "Llama 2", "ChatML"))
    assert "<start_of_turn>user\nBe brief.\n\nAdd.<end_of_turn>" in refuses.render_prompt("Add.", "Be brief.")
    assert "[INST] Be brief.\n\nAdd. [/INST]" in drops.render_prompt("Add.", "Be brief.")
    assert "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nAdd.<|im_end|>" in knows.render_prompt(
        "Add.", "Be brief."
    )


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (TURNS.replace("m['content']", "m['content'] | replace('\n\n', '\n')"), "its chat template changes the answer"),
        (TURNS.replace("m['content']", "m['content'] | e"), r"changes the answer: .*becomes .*&lt;.*model\.prompt"),
        ("{% for m in messages %}{{ m['role'] }}{% endfor %}", r"leaves the message out; .*model\.prompt: plain"),
        (TURNS.replace("m['content']", "'' if m['role'] == 'user' else m['content']"), "leaves the message out"),
        (
            REFUSES_ANSWERS,
            r"no usable chat template \(only users\)",
        ),
    ],
    ids=["blank lines", "escapes", "roles alone", "no user", "refuses answers"],
)
def test_a_template_that_changes_programs_or_leaves_something_out_is_refused(template, message):
    with pytest.raises(ModelError, match=f"(?s){message}"):
        template_of(template).check()


def test_a_program_that_the_template_takes_for_reasoning_is_refused_with_what_became_of_it():
    template = ChatTemplate(make_tokenizer(FAMILIES["R1"]))
    with pytest.raises(ModelError, match=r"'x = \"</think>\"' becomes '\"'; leave this program out"):
        template.render_exchange(PROMPT, 'x = "</think>"')


def test_blanks_at_the_ends_of_a_program_may_go():
    rendered = ChatTemplate(make_tokenizer(FAMILIES["Gemma"])).render_exchange(PROMPT, "\n  x = 1\n")
    assert (rendered.answer, rendered.begin) == ("x = 1", -3)


def test_variables_reach_every_rendering():
    template = template_of(TURNS + "{{ mood }}", mood="calm")
    assert template.end.text == ""
    assert template.render_chat([{"role": "user", "content": "x"}]).endswith("calm")


def test_openings_are_the_tokens_of_the_whole_text(family, tokenizer):
    template = ChatTemplate(tokenizer, family.prompt_format)
    prompts = [template.render_prompt(prompt) for prompt, _ in EXCHANGES]
    for (prompt, program), asked, opening in zip(EXCHANGES, encode_prompts(template, prompts), prompts, strict=True):
        whole = tokenizer(write_exchange(tokenizer, family, prompt, program), add_special_tokens=False)["input_ids"]
        assert whole[: len(asked.ids)] == asked.ids
        assert tokenizer.decode(asked.ids) + asked.healing_prefix == opening


def test_a_blank_that_the_tokenizer_joins_with_the_first_word_is_left_to_the_answer():
    tokenizer = make_tokenizer(FAMILIES["Llama 2"])
    (asked,) = encode_prompts(ChatTemplate(tokenizer), [ChatTemplate(tokenizer).render_prompt(PROMPT)])
    assert asked.healing_prefix == " "
    assert tokenizer.decode(asked.ids).endswith("[/INST]")


def test_the_first_token_is_not_doubled_nor_an_end_put_between_prompt_and_answer():
    tokenizer = make_tokenizer(FAMILIES["Gemma"])
    both = [(name, tokenizer.convert_tokens_to_ids(name)) for name in ("<s>", "</s>")]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing("<s> $A </s>", special_tokens=both)
    first, last = (number for _, number in both)
    written = ChatTemplate(tokenizer).render_prompt("Add.")
    requests = [Request("Add.", 0), Request(written, 0, raw=True), Request("Add.", 0, raw=True)]
    chat, raw, bare = (asked.ids for asked in encode_requests(ChatTemplate(tokenizer), requests))
    (plain,) = encode_requests(ChatTemplate(tokenizer, PromptFormat(template="plain")), requests[:1])
    for ids in (chat, raw, bare, plain.ids):
        assert ids.count(first) == 1
        assert last not in ids
    assert json.dumps(chat) == json.dumps(raw)
