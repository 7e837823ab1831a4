"""Files of single programs: what can be used is read as it stands, and what cannot is named with its line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.records.errors import InputError, RecordError
from iterpref_core.training.data.labeled_programs import ProgramReader, read_labeled, with_others
from iterpref_core.training.data.tokenized_pair import TokenizedPair

from .conftest import BAD, GOOD, WRONG_LINE, Row, Train, settings, write_rows

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PASSING: Row = {"prompt": "Add one.", "completion": "def f(n): return n + 1", "label": True}
FAILING: Row = {
    "prompt": "Add one.",
    "completion": "def f(n): return n - 1",
    "label": False,
    "rejected_spans": [[19, 20]],
}

_ABSENT = object()
_TEXTS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=4).filter(lambda text: text.strip())
_MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": _TEXTS}),
    max_size=3,
)
_SPANS = st.lists(st.lists(st.integers(-1, 5), min_size=1, max_size=3), max_size=2)
_VALUES = {
    "prompt": st.one_of(_TEXTS, _MESSAGES, st.sampled_from(["", 3, None, _ABSENT])),
    "completion": st.one_of(_TEXTS, _MESSAGES, st.sampled_from(["", " \n", 3, None, _ABSENT])),
    "label": st.sampled_from([True, False, 1, 0, "true", None, _ABSENT]),
    "rejected_spans": st.one_of(_SPANS, st.sampled_from([None, "0:3", _ABSENT])),
    "chosen": st.sampled_from([_ABSENT, _ABSENT, _ABSENT, "def f(): ..."]),
}


def _usable(row: Row, *, focal: bool) -> bool:
    """Decide by hand whether a row can be trained on."""
    if not isinstance(row.get("label"), bool):
        return False
    completion = row.get("completion")
    if isinstance(completion, list):
        completion = completion[0]["content"] if [message["role"] for message in completion] == ["assistant"] else None
    if not isinstance(completion, str) or not completion.strip():
        return False
    prompt = row.get("prompt")
    if isinstance(prompt, list):
        roles = [message["role"] for message in prompt]
        if not roles or roles[-1] != "user" or "system" in roles[1:] or "tool" in roles:
            return False
    elif not isinstance(prompt, str) or not prompt:
        return False
    spans = row.get("rejected_spans")
    if spans is not None and (not isinstance(spans, list) or any(len(span) != 2 for span in spans)):
        return False
    if row["label"]:
        return True
    if any(not 0 <= first <= last <= len(completion) for first, last in spans or ()):
        return False
    return not focal or any(first < last for first, last in spans or ())


@given(row=st.fixed_dictionaries(_VALUES), focal=st.booleans())
def test_a_row_is_read_as_it_stands_or_refused_with_its_line(row: Row, focal: bool, tmp_path: Path) -> None:
    row = {name: value for name, value in row.items() if value is not _ABSENT}
    file = write_rows(tmp_path / "programs.jsonl", [PASSING, FAILING, row])
    if not _usable(row, focal=focal):
        with pytest.raises(RecordError, match=r"programs.jsonl:3: "):
            list(read_labeled(file, focal=focal))
        return
    *_, (where, read) = read_labeled(file, focal=focal)
    assert where.endswith("programs.jsonl:3")
    answer = row["completion"] if isinstance(row["completion"], str) else row["completion"][0]["content"]
    assert (read.completion, read.label) == (answer, row["label"])
    assert list(map(list, read.rejected_spans or ())) == (row.get("rejected_spans") or [])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "has no program; give rows such as"),
        ([PASSING, PASSING], "all programs pass .label true., and KTO learns from the difference; add some that fails"),
        ([FAILING], "all programs fail .label false."),
    ],
)
def test_a_file_that_teaches_nothing_is_refused(rows: list[Row], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        list(read_labeled(write_rows(tmp_path / "programs.jsonl", rows), focal=False))


def test_half_a_character_is_refused_with_its_line(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "programs.jsonl", [PASSING, FAILING, PASSING | {"completion": "x = '\ud83d'"}])
    with pytest.raises(RecordError, match=r"programs.jsonl:3: "):
        list(read_labeled(file, focal=False))


def test_a_program_may_come_twice(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "programs.jsonl", [PASSING, FAILING, PASSING])
    assert len(list(read_labeled(file, focal=True))) == 3


def test_trl_s_unpaired_data_set_is_read_as_it_is(tmp_path: Path) -> None:
    """Its passing programs have the error region of the program that they were paired with."""
    from datasets import Dataset
    from trl import unpair_preference_dataset

    from iterpref_core import mark_errors

    pairs = [{"task_id": "p", "prompt": "Sum.", "chosen": GOOD.format(k=1), "rejected": BAD.format(k=1)}]
    rows = unpair_preference_dataset(Dataset.from_list(pairs).map(mark_errors))
    rows.to_parquet(tmp_path / "programs.parquet")
    (_, passing), (_, failing) = read_labeled(tmp_path / "programs.parquet", focal=True)
    assert (passing.label, failing.label) == (True, False)
    assert failing.rejected_spans == (WRONG_LINE,)


def test_a_program_that_is_too_long_is_named_with_how_many_there_are(tmp_path: Path, train: Train) -> None:
    long = [{**PASSING, "completion": f"x = {'9' * size}"} for size in (200, 300)]
    file = write_rows(tmp_path / "programs.jsonl", [PASSING, FAILING, *long])
    expected = r"programs.jsonl:4: .* more than training.max_length = 128; of 4 programs 2 are longer"
    with pytest.raises(InputError, match=expected):
        train("run", file=file)
    assert not (tmp_path / "run" / "out").exists()


def test_an_error_region_without_a_token_is_refused(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """The model's template strips the blanks that the region consists of."""
    from iterpref_core.models.pretrained.chat_template import ChatTemplate

    stripped = {**FAILING, "completion": "def f(n): return n - 1\n\n\n", "rejected_spans": [[23, 25]]}
    tokenizer.chat_template = (
        "{% for message in messages %}<{{ message.role }}>{{ message.content | trim }}</s>{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    file = write_rows(tmp_path / "programs.jsonl", [PASSING, stripped])
    try:
        with pytest.raises(RecordError, match=r"programs.jsonl:2: field 'rejected_spans': no token of the program"):
            list(ProgramReader(file, focal=True).tokenize(ChatTemplate(tokenizer), settings()))
    finally:
        tokenizer.chat_template = None


def test_a_row_has_another_row_s_program_under_its_prompt() -> None:
    """As in TRL: that of the row before in the micro-batch, which stays with its side of the validation."""
    short = TokenizedPair([1, 2], [3], [], [], [], label=1)
    long = TokenizedPair([1] * 9, [], [4] * 5, [0, 1, 1, 0, 0], [], label=0)
    found = list(with_others([short, long, short, long], [False, False, False, True], settings(micro_batch_size=2)))
    assert [(row.chosen_ids, row.rejected_ids, row.focal) for row in found] == [
        ([3], [4] * 5, [1] * 5),
        ([3], [4] * 5, [0, 1, 1, 0, 0]),
        ([3], [3], [1]),
        ([4] * 5, [4] * 5, [0, 1, 1, 0, 0]),
    ]
    (cut, _) = with_others([replace(short, prompt_ids=[1] * 125), long], [False, False], settings())
    assert len(cut.rejected_ids) == len(cut.focal) == 3


def test_further_columns_have_no_effect_and_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [PASSING | {"source": "mine"}, FAILING | {"source": "mine", "rating": 3}]
    read = [program for _, program in read_labeled(write_rows(tmp_path / "programs.jsonl", rows), focal=True)]
    assert [program.label for program in read] == [True, False]
    assert "further columns have no effect: rating (1 rows), source (2 rows)" in caplog.text
