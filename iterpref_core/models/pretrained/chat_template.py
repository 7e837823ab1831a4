"""Find the texts that a model's own template writes around a prompt and around its answer.

A model knows the texts that its template wrote when it was tuned. They are not assumed here: a finished
exchange is rendered, and the texts around its answer are used. Of a template like Llama 2's:

    <s>[INST] Add one. [/INST] x + 1 </s>
    rendered prompt ----------->      end: the text up to, and including, the first token that ends a turn

The rendered prompt is all that a model reads, in training as where it is asked. The end is trained, and ends an answer.

A generation prompt (`add_generation_prompt`) is something else: Llama 2's lacks the blank, Qwen3's the empty think
block that comes before every finished answer, and R1's opens a think block that no finished answer has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from os.path import commonprefix
from typing import TYPE_CHECKING

from iterpref_core.programs.answers.fences import is_markdown
from iterpref_core.records import (
    AnswerFormat,
    ModelError,
    Prompt,
    PromptFormat,
    chat_messages,
    model_errors,
    prompt_text,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_ANSWER = "iterpref-place-of-the-answer"
"""A text in the place of an answer, without blanks at its ends, since a template may strip them."""
_PROMPT = "iterpref-place-of-the-prompt"
_NEXT = "iterpref-place-of-the-next-prompt"
_SYSTEM = "iterpref-place-of-the-system-message"
_PROGRAM = 'def f(x):\n    if x < 1 and "&":\n        return {"a": [x]}\n\n\n    return f"{x!r}"\n'
"""A program with texts that some templates change: blank lines, indentation, braces, quotes, HTML's signs."""
_SHOWN = 60
"""Characters of a text that a message shows."""


@dataclass(frozen=True)
class End:
    """The end of an answer.

    Attributes:
        text: the text between the answer and the end token. Without an end token it is all of the end.
        token: id of the first token that ends a turn; None where the template ends turns with ordinary text.
        written: false where the template writes no end at all, so that the tokenizer's end token replaces it.
    """

    text: str
    token: int | None
    written: bool = True

    @property
    def stop(self) -> str:
        """Return the text that ends an answer if no token does; empty if one does."""
        return self.text.rstrip() if self.token is None else ""


@dataclass(frozen=True)
class Rendered:
    """An exchange as the template writes it.

    Attributes:
        prompt: all text before the answer.
        answer: the answer; blanks at its ends may be gone.
        begin: the place in the answer where the program begins; -2 if its first two characters are gone.
    """

    prompt: str
    answer: str
    begin: int = 0


class ChatTemplate:
    """The texts around a prompt and its answer, for one model.

    Args:
        tokenizer: the model's, with its chat template or without one.
        prompt: how the model reads prompts.

    Attributes:
        tokenizer: as given.
        plain: true if prompts are plain text, without a chat template.
        completes: true if a program continues the prompt's last line, without text between them.

    Raises (all methods):
        ModelError: the template cannot be read, refuses an exchange, or leaves a part of it out.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", prompt: PromptFormat | None = None) -> None:
        prompt = prompt or PromptFormat()
        self.tokenizer = tokenizer
        self.completes = prompt.template == "completion"
        self.plain = self.completes or prompt.template == "plain" or not tokenizer.chat_template
        self._variables = prompt.chat_template_kwargs

    def render_prompt(self, prompt: Prompt, system: str = "") -> str:
        """Return the text that a model reads before it answers.

        Args:
            prompt: the user's message, or the messages of a conversation, without roles where the template is missing.
            system: a message for the system before it. Where the template has no place for one, it begins the user's.
        """
        if self.plain:
            text = prompt_text(prompt) + ("" if self.completes else "\n")
            return f"{system}\n\n{text}" if system else text
        before, _ = self._around(self._messages(prompt, system))
        return before

    def render_generation_prompt(self, prompt: Prompt, system: str = "") -> str:
        """Return the text that asks for an answer in the template, which may open reasoning before it.

        Args:
            prompt: as for `render_prompt`.
            system: as for `render_prompt`.
        """
        return self.render_chat(self._messages(prompt, system), add_generation_prompt=True)

    def render_exchange(self, prompt: Prompt, program: str, style: AnswerFormat = "bare") -> Rendered:
        """Return an exchange as the template writes it.

        Args:
            prompt: as for `render_prompt`.
            program: the program to train on.
            style: the form of the answer.

        Raises:
            ModelError: also where the template changes the answer, other than by stripping blanks at its ends.
        """
        # The form of the answer first, then the template around it.
        answer, begin = render_answer(program, style)
        if self.plain:
            return Rendered(self.render_prompt(prompt), answer, begin)
        messages = self._messages(prompt, "")
        before, closing = self._around(messages)
        text = self.render_chat([*messages, {"role": "assistant", "content": answer}])
        # Of "[INST] Add one. [/INST] x + 1 </s>" the middle is "x + 1". A template that escapes HTML writes "x &lt; 1".
        written = text.removeprefix(before).removesuffix(closing)
        start = answer.find(written)
        if before + written + closing != text or start < 0 or written.strip() != answer.strip():
            raise ModelError(
                f"{self.tokenizer.name_or_path}: its chat template changes the answer: "
                f"{_show_difference(answer, written)}; leave this program out, "
                "correct the template, or set model.prompt: plain"
            )
        return Rendered(before, written, begin - start)

    def render_chat(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        add_generation_prompt: bool = False,
    ) -> str:
        """Return a chat as the template writes it."""
        with model_errors(self.tokenizer.name_or_path, "chat template"):
            return str(
                self.tokenizer.apply_chat_template(
                    messages,
                    tokenize=False,
                    add_generation_prompt=add_generation_prompt,
                    **self._variables,
                )
            )

    @cached_property
    def opening(self) -> str:
        """Return the text that opens a user's message, such as `<|im_start|>user`; empty without a template."""
        if self.plain:
            return ""
        before = self.render_prompt(_PROMPT).partition(_PROMPT)[0]
        # `<s>[INST] ` has the added token `<s>` last, and `<|im_start|>user\n` is one from its start.
        start = max((before.rfind(token) for token in self._added), default=0)
        return before[max(start, 0) :].removeprefix(self.tokenizer.bos_token or "").strip()

    def holds(self, text: str) -> bool:
        """Return True if a text is in the template already: it holds the opening, or begins with a plain one."""
        if any(token in self.opening for token in self._added):
            return self.opening in text
        # An opening such as `User:` may be a word of a statement, so only its start counts.
        begun = text.removeprefix(self.tokenizer.bos_token or "").lstrip()
        return bool(self.opening) and begun.startswith(self.opening)

    @cached_property
    def _added(self) -> list[str]:
        """Return the texts of tokens that were added to the vocabulary."""
        return [token.content for token in self.tokenizer.added_tokens_decoder.values()]

    @cached_property
    def end(self) -> End:
        """Return the end of every answer."""
        if self.plain:
            return End("", self.tokenizer.eos_token_id)
        _, closing = self._around(self._messages(_PROMPT, ""))
        end = self._first_end(closing)
        if end is not None:
            return end
        if closing.strip():
            return End(closing, None)
        end = self._first_end(self._before_next_turn())
        return end or End("", self.tokenizer.eos_token_id, written=False)

    def _before_next_turn(self) -> str:
        """Return the text between an answer and the next message: some templates end a turn there alone.

        Empty if the template refuses the chat, or the text cannot be found in it.
        """
        messages = [
            *self._messages(_PROMPT, ""),
            {"role": "assistant", "content": _ANSWER},
            {"role": "user", "content": _NEXT},
        ]
        try:
            text = self.render_chat(messages)
        except ModelError:  # a template for one exchange ends turns nowhere else
            return ""
        return text.rpartition(_ANSWER)[2].partition(_NEXT)[0]

    def _first_end(self, closing: str) -> End | None:
        """Return the end that a text has: up to its first special token, else to its first added one."""
        # A token that opens texts ends none, unless the model uses one token for both.
        added = {
            token: known
            for token, known in self.tokenizer.added_tokens_decoder.items()
            if token != self.tokenizer.bos_token_id or token == self.tokenizer.eos_token_id
        }
        special = {token: known for token, known in added.items() if known.special}
        # Special tokens come first: an added word may occur in an ordinary text.
        for tokens in (special, added):
            found = [
                (closing.index(known.content), -len(known.content), token)
                for token, known in tokens.items()
                if known.content in closing
            ]
            if found:
                position, _, token = min(found)
                before = closing[:position]
                # Such a token takes the blanks before it along.
                return End(before.rstrip() if tokens[token].lstrip else before, token)
        return None

    @cached_property
    def disagreement(self) -> str:
        """Return a sentence on how the generation prompt and finished answers disagree; empty if they agree."""
        if self.plain:
            return ""
        messages = self._messages(_PROMPT, "")
        before, _ = self._around(messages)
        try:
            opening = self.render_chat(messages, add_generation_prompt=True)
        except ModelError as error:
            return f"the chat template's generation prompt cannot be rendered ({error})"
        if before.startswith(opening):
            return ""
        # Both texts begin alike; the message shows how each goes on.
        shared = _shared(opening, before)
        return (
            f"the chat template's generation prompt and its finished answers disagree: the one goes on with "
            f"{_quote(opening[shared:])}, the other with {_quote(before[shared:] or 'the answer')}"
        )

    @property
    def remark(self) -> str:
        """Return a sentence for the user of a model with an unusual template; empty for a usual one."""
        if self.disagreement:
            return (
                f"{self.disagreement}; the finished answer counts, in training and where the model is asked: "
                "model.chat_template_kwargs or another template may be what you want"
            )
        if not self.end.written:
            return (
                "the chat template writes no end of an answer; the tokenizer's end token "
                f"{self.tokenizer.eos_token!r} is trained, and ends answers"
            )
        return ""

    def check(self) -> None:
        """Try the template on a message and on a program.

        Raises:
            ModelError: the model cannot be trained or asked in this template.
        """
        if _PROMPT not in self.render_prompt(_PROMPT):
            raise self._leaves_out("the message")
        self.render_exchange(_PROMPT, _PROGRAM)

    def describe(self, style: AnswerFormat) -> str:
        """Return a line that shows the trained text: what follows the prompt, the program, and the end.

        Args:
            style: the form of the answer.
        """
        shown = self.render_prompt(_PROMPT).rpartition(_PROMPT)[2]
        answer, _ = render_answer("program", style)
        end = self.end
        last = "" if end.token is None else str(self.tokenizer.convert_ids_to_tokens(end.token))
        return f"`…{shown}` | {answer} | `{end.text}{last}`".replace("\n", "\\n")

    def _messages(self, prompt: Prompt, system: str) -> list[dict[str, str]]:
        """Return the messages that the template is given; one for the system begins the user's if it has no place."""
        messages = chat_messages(prompt)
        if system:
            messages.insert(0, {"role": "system", "content": system})
        while messages[0]["role"] == "system" and len(messages) > 1 and not self._knows_system:
            system_message = messages.pop(0)
            following = messages[0]
            messages[0] = {
                "role": following["role"],
                "content": f"{system_message['content']}\n\n{following['content']}",
            }
        return messages

    @cached_property
    def _knows_system(self) -> bool:
        """Return True if the template writes messages for the system; some raise, others leave them out."""
        try:
            before, _ = self._around(
                [
                    {"role": "system", "content": _SYSTEM},
                    {"role": "user", "content": _PROMPT},
                ]
            )
        except ModelError:
            return False
        return _SYSTEM in before

    def _around(self, messages: Sequence[Mapping[str, str]]) -> tuple[str, str]:
        """Return the texts that the template writes before and after the answer to these messages."""
        # The last occurrence: a template may repeat an answer in a summary.
        text = self.render_chat([*messages, {"role": "assistant", "content": _ANSWER}])
        before, answer, closing = text.rpartition(_ANSWER)
        if not answer:
            raise self._leaves_out("the message")
        return before, closing

    def _leaves_out(self, part: str) -> ModelError:
        return ModelError(
            f"{self.tokenizer.name_or_path}: its chat template leaves {part} out; correct it, or set "
            "model.prompt: plain"
        )


def render_answer(program: str, style: AnswerFormat) -> tuple[str, int]:
    r"""Return the answer that a model is trained to give, and where in it the program begins (characters).

    >>> render_answer("x = 1", "fenced")
    ('```python\nx = 1\n```', 10)
    >>> render_answer("x = 1", "bare")
    ('x = 1', 0)

    An answer in Markdown has its own fences, and stays as it is:

    >>> render_answer("So:\n```python\nx = 1\n```", "fenced")
    ('So:\n```python\nx = 1\n```', 0)
    """
    if style == "bare" or is_markdown(program):
        return program, 0
    fence = "```python\n"
    end = "" if program.endswith("\n") else "\n"
    return f"{fence}{program}{end}```", len(fence)


def _show_difference(given: str, written: str) -> str:
    """Return both texts from a few characters before the place where they part."""
    given = given.strip()
    written = written.strip()
    if given == written:
        return f"{_quote(given)} is not written where other answers are"
    kept = max(_shared(given, written) - _SHOWN // 3, 0)
    return f"{_quote(given[kept:])} becomes {_quote(written[kept:])}"


def _shared(*texts: str) -> int:
    """Return how many characters texts begin with in common."""
    return len(commonprefix(texts))  # noqa: RUF071 - characters are meant, not the parts of a path


def _quote(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
