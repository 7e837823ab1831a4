"""Files that users lay beside the experiment: read whole, or refused with file, line and field."""

from pathlib import Path

import pytest

from iterpref_core.errors import InputError
from iterpref_core.report.supplied_results import CallsRow, Published, load_calls, load_published

HEADER = "model,method,benchmark,pass_at_1,source\n"
GOOD = 'Coder-7B,DPO,mbpp+,0.616,"arXiv 1, table 1"\n'


def test_without_files_there_is_nothing(tmp_path: Path) -> None:
    assert load_published(tmp_path) == []
    assert load_calls(tmp_path / "absent") == []


def test_published_scores_are_read_as_spreadsheets_write_them(tmp_path: Path) -> None:
    text = f"\ufeff{HEADER.replace('method,benchmark', 'benchmark,method')}".replace("\n", "\r\n")
    text += 'Coder-7B, mbpp+ ,DPO,0.616,"arXiv 1, table 1"\r\n\r\n'
    (tmp_path / "published.csv").write_bytes(text.encode())
    source = "arXiv 1, table 1"
    assert load_published(tmp_path) == [
        Published(model="Coder-7B", method="DPO", benchmark="mbpp+", pass_at_1=0.616, source=source)
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            HEADER + GOOD + "Coder-7B,DPO,mbpp,61.6,x\n",
            r"published\.csv:3: field 'pass_at_1': 61.6 is not a share of 1",
        ),
        (HEADER + "Coder-7B,DPO,mbpp,much,x\n", r"published\.csv:2: field 'pass_at_1': .* valid number"),
        (HEADER + "Coder-7B,DPO,mbpp,nan,x\n", r"published\.csv:2: field 'pass_at_1': nan is not a share"),
        (
            HEADER + "Coder-7B,DPO,MBPP,0.6,x\n",
            r"published\.csv:2: field 'benchmark': 'MBPP' is not one of humaneval, ",
        ),
        (HEADER + "Coder-7B,DPO,heldout,0.6,x\n", r"published\.csv:2: field 'benchmark': 'heldout' is not one of"),
        (HEADER + "Coder-7B,DPO,validation,0.6,x\n", r"published\.csv:2: field 'benchmark': 'validation' is not one"),
        (HEADER + "Coder-7B,DPO,mbpp,0.6,\n", r"published\.csv:2: field 'source'"),
        (HEADER + "Coder-7B,DPO,mbpp,0.6,a, b\n", r"published\.csv:2: 6 cells where the header has 5; quote text"),
        (
            HEADER + GOOD + GOOD,
            r"published\.csv:3: DPO of Coder-7B on mbpp\+ from this source stands in line 2 already",
        ),
        ("model,score\n", r"published\.csv:1: the columns are model, score; needed are model,method,benchmark,"),
        ("", r"published\.csv:1: the columns are none"),
        (HEADER + 'Coder-7B,"DPO\n', r"published\.csv:\d: not UTF-8 CSV"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "published.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        load_published(tmp_path)


def test_a_comparison_is_read_and_may_have_empty_cells(tmp_path: Path) -> None:
    (tmp_path / "calls.csv").write_text(
        ",".join(CallsRow.model_fields) + "\n1,9,0,9,0,9,0.0,0.0,0.0,1.0\n3,9,,,4,20,,,,\n"
    )
    first, second = load_calls(tmp_path)
    assert (first.calls, first.p_value) == (1, 1.0)
    assert (second.debugging_solved, second.sampling_solved, second.difference) == (None, 4, None)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,9,0,9,0,9,0.0,0.0,0.0,1.0", "fields 'calls' and 'problems': calls grow"),
        ("2,8,0,9,0,9,0.0,0.0,0.0,1.0", "problems stay the same"),
        ("2,9,10,9,0,9,0.0,0.0,0.0,1.0", "field 'debugging_solved': 10 solved of 9 problems"),
        ("2,9,0,9,0,9,0.0,0.0,,1.0", "a difference needs all of difference"),
        ("2,9,x,9,0,9,0.0,0.0,0.0,1.0", "field 'debugging_solved': .*integer"),
        ("2,9,0,9,0,9,0.0,0.0,0.0,7", "field 'p_value'"),
    ],
)
def test_a_bad_line_of_the_comparison_is_named(tmp_path: Path, line: str, message: str) -> None:
    good = "1,9,0,9,0,9,0.0,0.0,0.0,1.0"
    (tmp_path / "calls.csv").write_text(f"{','.join(CallsRow.model_fields)}\n{good}\n{line}\n")
    with pytest.raises(InputError, match=rf"calls\.csv:3: .*{message}"):
        load_calls(tmp_path)
