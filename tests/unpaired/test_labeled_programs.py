"""Files of single programs: what can be used is read as it stands, and what cannot is named with its line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.errors import InputError, ModelError, RecordError
from iterpref_core.unpaired.labeled_file import read_labeled

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
    if "chosen" in row or not isinstance(row.get("label"), bool):
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
        ([PASSING, {**PASSING, "label": False}], "programs.jsonl:2: the program of line 1 passes and fails"),
        ([PASSING, {**FAILING, "rating": 3}], "programs.jsonl:2: field 'rating'"),
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
    expected = r"programs.jsonl:3: .* more than training.max_length = 128; of 4 programs 2 are longer, the longest has"
    with pytest.raises(InputError, match=expected):
        train("run", file=file)
    assert not (tmp_path / "run").exists()


def test_an_error_region_without_a_token_is_refused(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """The model's template strips the blanks that the region consists of."""
    from iterpref_core.models.chat_template import ChatTemplate
    from iterpref_core.unpaired.labeled_rows import read_rows

    stripped = {**FAILING, "completion": "def f(n): return n - 1\n\n\n", "rejected_spans": [[23, 25]]}
    tokenizer.chat_template = (
        "{% for message in messages %}<{{ message.role }}>{{ message.content | trim }}</s>{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    file = write_rows(tmp_path / "programs.jsonl", [PASSING, stripped])
    try:
        with pytest.raises(RecordError, match=r"programs.jsonl:2: field 'rejected_spans': no token of the program"):
            read_rows(file, ChatTemplate(tokenizer), settings(), focal=True)
    finally:
        tokenizer.chat_template = None


def test_a_model_without_an_embedding_for_a_token_is_refused() -> None:
    from iterpref_core.training.model.model_limits import ModelLimits
    from iterpref_core.unpaired.labeled_rows import LabeledRow, check_rows, with_mismatched

    short = LabeledRow([1, 2], [3], [1], True, "a")
    long = LabeledRow([1] * 9, [3] * 5, [1] * 5, False, "b")
    paired = with_mismatched([short, long], 2)
    assert [row.KL_completion_ids for row in paired] == [(3,) * 5, (3,)]
    with pytest.raises(ModelError, match="vocab_size is 3, and the programs have token id 3"):
        check_rows(paired, ModelLimits("m", ids=3, positions=None), max_length=64)
    with pytest.raises(ModelError, match="max_position_embeddings is 12; the longest program, or another one under"):
        check_rows(paired, ModelLimits("m", ids=4, positions=12, has_table=True), max_length=64)
    assert check_rows(paired, ModelLimits("m", ids=4, positions=14, has_table=True), max_length=64) == []
    (remark,) = check_rows(paired, ModelLimits("m", ids=4, positions=12), max_length=64)
    assert "never trained on such lengths" in remark
    three = with_mismatched([short, long, short], 2)
    assert three[2].KL_completion_ids == (3,), "a micro-batch of one has its own program"
