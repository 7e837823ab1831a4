"""Tokenize pairs into token ids and the masks that objectives choose from.

A program continues its prompt, and its error region is given in characters. Tokenizers, left to themselves, respect
neither:

- Some begin every text with a blank, which would then separate the prompt from its program.
- Some give a token only its visible characters (`trim_offsets`), so that indentation belongs to no token.
- Unigram models spell a run of unknown characters in bytes and give each byte the characters of the whole run, line
  ends included.
- The text of a special token becomes that token, so that a program which mentions the end token would end there.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from operator import eq

import numpy as np
from transformers import PreTrainedTokenizerBase

from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.models.pretrained.prompt_tokens import encode_prompts
from iterpref_core.models.pretrained.tokenizers import text_engine
from iterpref_core.programs.answers.fences import has_markdown
from iterpref_core.records import (
    AnswerFormat,
    InputError,
    ModelError,
    PreferencePair,
    Span,
    TrainingParams,
    prompt_text,
    statement_digest,
)

from .held_out import is_validation
from .tokenized_pair import TokenizedPair

_BATCH = 64
"""Pairs tokenized at once: enough for many cores, and some megabytes."""


def tokenize_pairs(
    pairs: Iterable[PreferencePair],
    template: ChatTemplate,
    form: TrainingParams,
) -> Iterator[TokenizedPair]:
    """Tokenize pairs, some dozens at a time and on all cores; a long prompt loses its start, a program its end.

    The token that opens every text for some models stays: they are lost without it.

    Args:
        pairs: the pairs; one without a region marks no token.
        template: the texts of the model's chat template; its tokenizer must give offsets and have an end token.
        form: settings: the length limits and the form of the answers.

    Raises:
        ModelError: the tokenizer gives no offsets or has no end token, or the template changes a program.
        InputError: `max_length` leaves no room for programs, or a pair is of another split.
    """
    if form.max_length <= form.max_prompt_length:
        raise InputError(
            f"max_length (params.yaml: training): {form.max_length} tokens leave no room for a program after a prompt "
            f"of up to max_prompt_length = {form.max_prompt_length}; raise the former or lower the latter"
        )
    waiting = iter(pairs)
    while batch := list(islice(waiting, _BATCH)):
        answers = []
        for pair in batch:
            if template.holds(prompt_text(pair.prompt)):
                raise InputError(
                    f"pair {pair.task_id!r}: its prompt is in the chat template already ({template.opening!r}), which "
                    "would be put around it once more; give the bare text or messages, or set model.prompt: "
                    "completion, which takes prompts as they are"
                )
            answers.append((pair, pair.chosen, pair.chosen_spans or ()))
            # Of a program alone the second answer is the first once more, and is not kept.
            answers.append((pair, pair.chosen if pair.rejected is None else pair.rejected, pair.rejected_spans or ()))
        # Two answers for each pair, the chosen program and the rejected one.
        tokens = _encode_answers(template, answers, form.answer)
        for pair, (whole, chosen, in_region), rejected in zip(batch, tokens[::2], tokens[1::2], strict=True):
            ids, marks = ([], []) if pair.rejected is None else rejected[1:]
            # With room for four tokens the prompt "<s> a b c d e" becomes "<s> c d e": its start goes, but for "<s>".
            surplus = max(len(whole) - form.max_prompt_length, 0)
            begin = whole[:1] if surplus and whole[0] == template.tokenizer.bos_token_id else []
            prompt = begin + whole[surplus + len(begin) :]
            room = form.max_length - len(prompt)
            yield TokenizedPair(
                prompt_ids=prompt,
                chosen_ids=chosen[:room],
                rejected_ids=ids[:room],
                focal=marks[:room],
                focal_chosen=in_region[:room],
                task_id=pair.task_id,
                blank=int(not pair.chosen.strip()),
                markdown=int(has_markdown(pair)),
                problem_id=pair.problem_id or pair.task_id,
                statement=statement_digest(pair.prompt),
                prompt_truncated=surplus,
                chosen_truncated=len(chosen[room:]),
                rejected_truncated=len(ids[room:]),
                focal_truncated=sum(marks[room:]),
                validation=int(is_validation(pair)),
            )


def _encode_answers(
    template: ChatTemplate, answers: Sequence[tuple[PreferencePair, str, Sequence[Span]]], style: AnswerFormat
) -> list[tuple[list[int], list[int], list[int]]]:
    """Tokenize prompts and their answers, uncut, on all cores.

    Args:
        template: of the model.
        answers: a pair, the program that answers its prompt, and the [start, end) characters of the program to mark.
        style: of the answers.

    Returns:
        For each the token ids of the prompt, the ids of the answer, closed by the end of a turn, and for each of these
        1 if it shares a character with the region, else 0. What the template writes around the program is never marked.
    """
    rendered = []
    for pair, program, _ in answers:
        try:
            rendered.append(template.render_exchange(pair.prompt, program, style))
        except ModelError as error:
            raise ModelError(f"pair {pair.task_id!r}: {error}") from None
    end = template.end
    if end.token is None and not end.text:
        raise ModelError(
            f"{template.tokenizer.name_or_path}: this tokenizer has no end token, so no model could learn where a "
            "program ends; name one as eos_token in tokenizer_config.json"
        )
    # The prompt alone first: it may end before its last characters (`healing_prefix`).
    prompts = encode_prompts(template, [each.prompt for each in rendered])
    texts = [asked.healing_prefix + each.answer + end.text for asked, each in zip(prompts, rendered, strict=True)]
    encodings = text_engine(template.tokenizer, continues=True).encode_batch(texts, add_special_tokens=False)
    tokens = []
    for answer, each, asked, text, encoding in zip(answers, rendered, prompts, texts, encodings, strict=True):
        _, program, region = answer
        # In the text " def f" of Llama 2's template, whose prompt ends with the blank (`healing_prefix`), the token
        # " def" has the characters 0 to 4. They are -1 to 3 of the program, and clipped to it 0 to 3.
        prefix = len(asked.healing_prefix)
        begin = prefix + each.begin
        first = max(begin, prefix)
        last = min(begin + len(program), prefix + len(each.answer))
        # The end token has no characters, so it is never marked.
        closing = [] if end.token is None else [end.token]
        offsets = _true_offsets(encoding.offsets, text) + [(last, last)] * len(closing)
        places = np.array(offsets, np.int64).reshape(-1, 2).clip(first, last) - begin
        tokens.append((asked.ids, encoding.ids + closing, mask_from_spans(places, region)))
    return tokens


def encode_text(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[list[int], list[Span]]:
    """Tokenize a text as the tokenizer itself reads it, but for the special tokens that it would add.

    Returns:
        Ids, and for each the [start, end) of its characters in the text; empty for a token without characters.

    Raises:
        ModelError: the tokenizer gives no offsets.
    """
    encoding = text_engine(tokenizer, continues=False).encode(text, add_special_tokens=False)
    return encoding.ids, _true_offsets(encoding.offsets, text)


def _true_offsets(offsets: list[Span], text: str) -> list[Span]:
    """Return for each token its own characters: tokens of the same characters may be the bytes of these."""
    if not any(map(eq, offsets, offsets[1:])):
        return offsets
    # A tokenizer without "é" and "ü" spells "éü" in the four bytes C3 A9 C3 BC, and gives each the characters 0 to 2.
    # There is a token for each byte: the first two are of "é" (0 to 1), the others of "ü" (1 to 2).
    own: list[Span] = []
    for (start, end), run in groupby(offsets):
        tokens = list(run)
        owners: list[Span] = []
        for place in range(start, end):
            owners += [(place, place + 1)] * len(text[place].encode())
        own += owners if len(owners) == len(tokens) else tokens
    return own


def mask_from_spans(places: Sequence[Span] | np.ndarray, spans: Sequence[Span]) -> list[int]:
    """Mark the tokens that share at least one character with a span.

    A token that straddles the edge of a span is marked: the model chose the wrong character by choosing that token.

    Args:
        places: for each token its [start, end) in the text.
        spans: [start, end) character ranges, in any order; they may overlap or be empty.

    Returns:
        1 for marked tokens, else 0; as long as `places`.

    >>> mask_from_spans([(0, 3), (3, 5), (5, 9)], [(4, 6)])
    [0, 1, 1]
    """
    edges = np.asarray(places, np.int64).reshape(-1, 2)
    starts, ends = edges.T
    marks = np.zeros(len(edges), dtype=bool)
    for first, last in spans:
        marks |= np.maximum(starts, first) < np.minimum(ends, last)
    mask: list[int] = marks.astype(int).tolist()
    return mask
