"""Masks agree with the bytes of tokens, for tokenizers of every awkward kind."""

import re
from functools import cache, partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import ByT5Tokenizer, PreTrainedTokenizerFast

from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.pairs.localization.localization import ON_TEXT
from iterpref_core.records import ModelError, PreferencePair
from iterpref_core.training.data.tokenization import tokenize_pairs
from tests.settings import changed

PROMPT = "Add é to x."
LETTERS = "abcdefnrtux()=+:#'0123456789"
_PRINTED = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
BYTE_OF = {chr(byte): byte for byte in _PRINTED} | {
    chr(256 + place): byte for place, byte in enumerate(sorted(set(range(256)) - set(_PRINTED)))
}
"""GPT-2's alphabet: printable bytes are themselves, the others follow from U+0100 on."""


def byte_level(*, trim=False, prefix=False, bos=False):
    """BPE on bytes, with tokens that reach across line ends and from what is visible into what is not."""
    merges = [("Ġ", "Ġ"), ("ĠĠ", "ĠĠ"), ("Ċ", "ĠĠĠĠ"), (")", "Ċ"), ("č", "Ċ"), (":", "čĊ"), ("Ã", "©"), ("Ġ", "x")]
    words = [*BYTE_OF, *(a + b for a, b in merges), "<pad>", "</s>", "<s>"]
    engine = Tokenizer(models.BPE({word: place for place, word in enumerate(words)}, merges))
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=False)
    engine.decoder = decoders.ByteLevel()
    steps = [processors.ByteLevel(trim_offsets=trim, add_prefix_space=prefix, use_regex=False)]
    if bos:
        steps.append(processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", len(words) - 1)]))
    engine.post_processor = processors.Sequence(steps)
    return PreTrainedTokenizerFast(
        tokenizer_object=engine, pad_token="<pad>", eos_token="</s>", bos_token="<s>", truncation_side="left"
    )


def sentencepiece(kind):
    """Blanks are ▁, and a blank opens every text; line ends, tabs and everything unusual are spelled in bytes."""
    spelled = [f"<0x{byte:02X}>" for byte in range(256)]
    words = ["<unk>", "<pad>", "</s>", *spelled, "▁", *LETTERS, "▁x", "▁▁▁▁", "▁ret"]
    if kind == "unigram":
        engine = Tokenizer(models.Unigram([(word, -float(3 - len(word) / 9)) for word in words], 0, byte_fallback=True))
        engine.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
        engine.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    else:
        words += ["▁▁", "▁r", "▁re"]
        merges = [("▁", "x"), ("▁", "▁"), ("▁▁", "▁▁"), ("▁", "r"), ("▁r", "e"), ("▁re", "t")]
        vocabulary = {word: place for place, word in enumerate(words)}
        engine = Tokenizer(models.BPE(vocabulary, merges, byte_fallback=True, unk_token="<unk>", fuse_unk=True))
        engine.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        engine.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
    return PreTrainedTokenizerFast(tokenizer_object=engine, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")


TOKENIZERS = {
    "byte-level": byte_level,
    "byte-level, trimmed offsets": partial(byte_level, trim=True),
    "byte-level, prefix and first token": partial(byte_level, trim=True, prefix=True, bos=True),
    "unigram": partial(sentencepiece, "unigram"),
    "bpe with byte fallback": partial(sentencepiece, "bpe"),
}


@cache
def tokenizer_named(name):
    return TOKENIZERS[name]()


every_tokenizer = pytest.mark.parametrize("name", TOKENIZERS)
repeatable = settings(max_examples=25)

USUAL = [
    "def f(x):",
    "    return x",
    "        return x",
    "\treturn x",
    "x = (x)",
    "x = 'é'",
    "",
    "    ",
    "\t",
    "    x = x  ",
]
UNUSUAL = ["# é漢字🙂", "x = '\u200b'", "🙂", "é", "漢", "x\x0c", "x = '</s>'", "x\u2028x", "ﬁ İ e\u0301"]
LINE = st.sampled_from(USUAL) | st.sampled_from(UNUSUAL) | st.text(alphabet="x é漢🙂\t\u200b(:\u0301", max_size=8)
LINE_END = st.sampled_from(["\n", "\r\n", "\r"])


@st.composite
def pairs(draw):
    """A program and its lines edited: replaced, left out, indented otherwise; all alike and all different included."""
    lines = draw(st.lists(LINE, max_size=7))
    edits = draw(st.lists(st.sampled_from("====rdi"), min_size=len(lines), max_size=len(lines)))
    other = [
        {"=": line, "i": "  " + line}.get(edit) or (draw(LINE) if edit == "r" else line)
        for line, edit in zip(lines, edits, strict=True)
        if edit != "d"
    ] + draw(st.lists(LINE, max_size=1))
    texts = []
    for program in (lines, other):
        end = draw(LINE_END)
        texts.append(end.join(program) + (end if draw(st.booleans()) else ""))
    return PreferencePair(task_id="p", prompt=PROMPT, chosen=texts[0], rejected=texts[1])


@st.composite
def spans_of(draw, program):
    """Any spans: empty, overlapping, at either end, in any order."""
    edges = st.integers(0, len(program))
    return tuple(tuple(sorted(draw(st.tuples(edges, edges)))) for _ in range(draw(st.integers(0, 3))))


def spelled(tokenizer, ids):
    """The bytes of each token, read off its name."""
    found = []
    for name in tokenizer.convert_ids_to_tokens(ids):
        if "Ġ" in tokenizer.get_vocab():
            found.append(bytes(BYTE_OF[letter] for letter in name))
        elif byte := re.fullmatch(r"<0x(..)>", name):
            found.append(bytes.fromhex(byte[1]))
        else:
            found.append(name.replace("▁", " ").encode())
    return found


def expected_mask(pieces, program, spans):
    """Every token with a byte of a character of a span."""
    inside = [any(start <= place < end for start, end in spans) for place in range(len(program))]
    of_bytes = [mark for letter, mark in zip(program, inside, strict=True) for _ in letter.encode()]
    marks, place = [], 0
    for piece in pieces:
        marks.append(int(any(of_bytes[place : place + len(piece)])))
        place += len(piece)
    return marks


def tokenize(pair, rejected, chosen, tokenizer, params):
    marked = changed(pair, rejected_spans=rejected, chosen_spans=chosen)
    return next(tokenize_pairs([marked], ChatTemplate(tokenizer), params))


@pytest.fixture(scope="module")
def roomy(params):
    return changed(params, max_length=4096)


@every_tokenizer
@repeatable
@given(data=st.data(), pair=pairs())
def test_a_token_is_marked_if_and_only_if_it_has_a_character_of_the_region(roomy, name, data, pair):
    tokenizer = tokenizer_named(name)
    regions = [f(pair.rejected, pair.chosen) for f in ON_TEXT.values()]
    choices = [(region.rejected, region.chosen) for region in regions]
    choices.append((data.draw(spans_of(pair.rejected)), data.draw(spans_of(pair.chosen))))
    for rejected, chosen in choices:
        row = tokenize(pair, rejected, chosen, tokenizer, roomy)
        for ids, marks, program, spans in (
            (row.rejected_ids, row.focal, pair.rejected, rejected),
            (row.chosen_ids, row.focal_chosen, pair.chosen, chosen),
        ):
            pieces = spelled(tokenizer, ids[:-1])
            assert b"".join(pieces) == program.encode()
            assert marks == [*expected_mask(pieces, program, spans), 0]
            assert ids[-1] == tokenizer.eos_token_id
            if name == "unigram" and "</s>" in program:
                continue  # to its model a special token is a piece like any other
            assert tokenizer.eos_token_id not in ids[:-1]
            text = tokenizer.decode([*row.prompt_ids, *ids], skip_special_tokens=True)
            assert text.lstrip(" ") == f"{PROMPT}\n{program}"


@repeatable
@given(pair=pairs(), data=st.data())
def test_what_the_length_limit_cuts_off_is_counted(roomy, pair, data):
    spans = data.draw(spans_of(pair.rejected))
    whole = tokenize(pair, spans, (), tokenizer_named("byte-level"), roomy)
    room = data.draw(st.integers(1, len(whole.rejected_ids) + 1))
    prompt = len(whole.prompt_ids)
    short = changed(roomy, max_prompt_length=prompt, max_length=prompt + room)
    truncated = tokenize(pair, spans, (), tokenizer_named("byte-level"), short)
    assert truncated.focal == whole.focal[:room]
    for side in ("chosen", "rejected"):
        ids = getattr(whole, f"{side}_ids")
        assert getattr(truncated, f"{side}_ids") == ids[:room]
        assert getattr(truncated, f"{side}_truncated") == len(ids[room:])
    assert truncated.focal_truncated == sum(whole.focal) - sum(truncated.focal)


def test_a_long_prompt_keeps_the_token_that_opens_every_text(roomy):
    tokenizer = tokenizer_named("byte-level, prefix and first token")
    pair = PreferencePair(task_id="p", prompt=PROMPT, chosen="x", rejected="y")
    whole = tokenize(pair, (), (), tokenizer, roomy)
    assert whole.prompt_ids[0] == tokenizer.bos_token_id
    short = tokenize(pair, (), (), tokenizer, changed(roomy, max_prompt_length=4))
    assert short.prompt_ids == [tokenizer.bos_token_id, *whole.prompt_ids[-3:]]
    assert short.prompt_truncated == len(whole.prompt_ids) - 4
    assert whole.chosen_ids == short.chosen_ids == [tokenizer.convert_tokens_to_ids("x"), tokenizer.eos_token_id]


def bare():
    return PreTrainedTokenizerFast(tokenizer_object=byte_level().backend_tokenizer)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (ByT5Tokenizer, "this tokenizer gives no character offsets; convert it to a fast tokenizer"),
        (bare, "its tokenizer has no end token, .* name one as eos_token in tokenizer_config.json"),
    ],
    ids=["no offsets", "neither end nor padding"],
)
def test_a_tokenizer_that_cannot_be_trained_with_is_refused(make_model, make, message, inputs, train):
    model = make_model(tokenizer_named("byte-level"))  # whose configuration has what the tokenizer lacks
    for file in model.glob("*token*"):
        file.unlink()
    make().save_pretrained(model)
    with pytest.raises(ModelError, match=f"{model}: {message}"):
        train("run", "target-dpo", (inputs[0], model))
