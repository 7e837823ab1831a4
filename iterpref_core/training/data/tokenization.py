"""Tokenization of pairs: token ids and the masks that objectives choose from, as named columns."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from iterpref_core.models.pretrained.chat_template import (
    ChatTemplate,
    Rendered,
    render_answer,
)
from iterpref_core.models.pretrained.prompt_tokens import EncodedPrompt, encode_prompts
from iterpref_core.records import FocalSpans, PreferencePair, Span
from iterpref_core.records.config import AnswerFormat, TrainingParams
from iterpref_core.records.errors import InputError, ModelError
from iterpref_core.records.prompt_messages import Prompt, statement_digest
from iterpref_core.training.data.tokenized_pair import TokenizedPair
from iterpref_core.training.data.tokenized_programs import (
    encode_programs,
    mask_from_spans,
)

_BATCH = 64
"""Pairs tokenized at once: enough for many cores, and some megabytes."""


@dataclass(frozen=True)
class PairForm:
    """Length limits in tokens, `max_length` that of prompt and program together, and the form of the answers."""

    max_prompt_length: int
    max_length: int
    answer: AnswerFormat


@dataclass(frozen=True)
class MarkedProgram:
    """A program with some spans of it.

    Attributes:
        name: the row that the program is from, for messages.
        prompt: the task.
        program: the text.
        spans: characters of it.
    """

    name: str
    prompt: Prompt
    program: str
    spans: tuple[Span, ...]


def tokenize_marked(
    programs: Sequence[MarkedProgram], template: ChatTemplate, answer: AnswerFormat
) -> Iterator[tuple[list[int], list[int], list[int]]]:
    """Tokenize single programs as `tokenize_pairs` does those of pairs, on all cores; nothing is cut.

    Yields:
        Token ids of the prompt, those of the program, and for each of the latter 1 if a span touches it, else 0.

    Raises:
        ModelError: as for `tokenize_pairs`.
    """
    answers = [_place(marked, template, answer) for marked in programs]
    asked = encode_prompts(template, [each.rendered.prompt for each in answers])
    for encoded, (ids, touched) in zip(asked, _tokenize_answers(answers, asked, template), strict=True):
        yield encoded.ids, ids, touched


def tokenize_pair(
    pair: PreferencePair,
    spans: FocalSpans,
    template: ChatTemplate,
    form: PairForm | TrainingParams,
) -> TokenizedPair:
    """Tokenize one pair, as `tokenize_pairs` does."""
    return next(tokenize_pairs([(pair, spans)], template, form))


def tokenize_pairs(
    pairs: Iterable[tuple[PreferencePair, FocalSpans]],
    template: ChatTemplate,
    form: PairForm | TrainingParams,
) -> Iterator[TokenizedPair]:
    """Tokenize pairs, some dozens at a time and on all cores; a long prompt loses its start, a program its end.

    The token that opens every text for some models stays: they are lost without it.

    Args:
        pairs: the programs, and D- and D+ as characters of them.
        template: the texts of the model's chat template; its tokenizer must give offsets and have an end token.
        form: length limits, and the form of the answers.

    Raises:
        ModelError: the tokenizer gives no offsets or has no end token, or the template changes a program.
        InputError: `max_length` leaves no room for programs.
    """
    if form.max_length <= form.max_prompt_length:
        raise InputError(
            f"max_length (params.yaml: training): {form.max_length} tokens leave no room for a program beside a prompt "
            f"of up to max_prompt_length = {form.max_prompt_length}; raise the former or lower the latter"
        )
    waiting = iter(pairs)
    while batch := list(islice(waiting, _BATCH)):
        yield from _tokenize_batch(batch, template, form)


def _tokenize_batch(
    batch: Sequence[tuple[PreferencePair, FocalSpans]],
    template: ChatTemplate,
    form: PairForm | TrainingParams,
) -> Iterator[TokenizedPair]:
    """Tokenize some pairs: the tokenizer is called once for all prompts, and once for all programs."""
    # The answers alternate: chosen and rejected of the first pair, chosen and rejected of the second, and so on.
    answers: list[_Answer] = []
    for pair, marked in batch:
        chosen_program = MarkedProgram(f"pair {pair.task_id!r}", pair.prompt, pair.chosen, marked.chosen)
        rejected_program = replace(chosen_program, program=pair.rejected, spans=marked.rejected)
        answers += [_place(program, template, form.answer) for program in (chosen_program, rejected_program)]
    encoded_prompts = encode_prompts(template, [answer.rendered.prompt for answer in answers[::2]])
    asked: list[EncodedPrompt] = []
    for encoded_prompt in encoded_prompts:
        asked += [encoded_prompt, encoded_prompt]
    tokens = _tokenize_answers(answers, asked, template)
    for (pair, _), encoded_prompt in zip(batch, encoded_prompts, strict=True):
        chosen, focal_chosen = next(tokens)
        rejected, focal = next(tokens)
        # With room for four tokens the prompt "<s> a b c d e" becomes "<s> c d e": its start goes, but for "<s>".
        whole = encoded_prompt.ids
        surplus = max(len(whole) - form.max_prompt_length, 0)
        begin = whole[:1] if surplus and whole[0] == template.tokenizer.bos_token_id else []
        prompt = begin + whole[surplus + len(begin) :]
        room = form.max_length - len(prompt)
        yield TokenizedPair(
            prompt_ids=prompt,
            chosen_ids=chosen[:room],
            rejected_ids=rejected[:room],
            focal=focal[:room],
            focal_chosen=focal_chosen[:room],
            task_id=pair.task_id,
            blank=int(not pair.chosen.strip()),
            problem_id=pair.problem_id or pair.task_id,
            statement=statement_digest(pair.prompt),
            prompt_truncated=surplus,
            chosen_truncated=len(chosen[room:]),
            rejected_truncated=len(rejected[room:]),
            focal_truncated=sum(focal[room:]),
        )


@dataclass(frozen=True)
class _Answer:
    """A program as it is to be answered.

    Attributes:
        rendered: the whole answer, as the template writes it.
        spans: of the program, as characters of that.
    """

    rendered: Rendered
    spans: tuple[Span, ...]


def _place(marked: MarkedProgram, template: ChatTemplate, style: AnswerFormat) -> _Answer:
    """Return a program as it is to be answered, with its spans.

    Raises:
        ModelError: the template changes the program.
    """
    answer, begin = render_answer(marked.program, style)
    try:
        rendered = template.render_exchange(marked.prompt, answer)
    except ModelError as error:
        raise ModelError(f"{marked.name}: {error}") from None
    moved = begin - rendered.start
    end = len(rendered.answer)
    placed = []
    for first, last in marked.spans:
        # A template may have stripped blanks at the ends of the answer, and with them a part of a span.
        start = min(max(first + moved, 0), end)
        stop = min(max(last + moved, 0), end)
        placed.append((start, stop))
    return _Answer(rendered, tuple(placed))


def _tokenize_answers(
    answers: Sequence[_Answer], asked: Sequence[EncodedPrompt], template: ChatTemplate
) -> Iterator[tuple[list[int], list[int]]]:
    """Return token ids, closed by the end of a turn, and which of them a span of the program touches."""
    end = template.end
    if end.token is None and not end.text:
        raise ModelError(
            f"{template.tokenizer.name_or_path}: this tokenizer has no end token, so no model could learn where a "
            "program ends; name one as eos_token in tokenizer_config.json"
        )
    closing = [] if end.token is None else [end.token]
    texts = []
    for encoded_prompt, answer in zip(asked, answers, strict=True):
        texts.append(encoded_prompt.healing_prefix + answer.rendered.answer + end.text)
    encoded = encode_programs(template.tokenizer, texts)
    for (ids, offsets), encoded_prompt, answer in zip(encoded, asked, answers, strict=True):
        prefix = len(encoded_prompt.healing_prefix)
        moved = [(start + prefix, stop + prefix) for start, stop in answer.spans]
        # Spans are in the program: the end token after it was not wrong, only the program before it.
        focal = mask_from_spans(offsets, moved) + [0] * len(closing)
        yield ids + closing, focal
