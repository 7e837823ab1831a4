"""A change names the tests that it can affect, by the imports of the code."""

import pytest

from tests.affected import affected_tests, module_files

ALL = {name for name in module_files() if name.rpartition(".")[2].startswith("test_")}


@pytest.mark.parametrize(
    ("changed", "affected", "other"),
    [
        # Through other modules, and by a fixture of a conftest.
        (
            "iterpref_core/pairs/localization/token_lcs.py",
            "tests/pairs/localization/test_localization.py",
            "tests/storage/test_jsonl.py",
        ),
        (
            "iterpref_core/storage/jsonl.py",
            "tests/storage/test_jsonl.py",
            "tests/training/objectives/test_objectives.py",
        ),
        # By the data of its folder, and by the text of a page.
        (
            "tests/problems/ingestion/published_rows.yaml",
            "tests/problems/ingestion/test_ingest.py",
            "tests/storage/test_jsonl.py",
        ),
        (
            "docs/pairs.md",
            "tests/documentation/test_documented_commands.py",
            "tests/pairs/localization/test_localization.py",
        ),
    ],
)
def test_a_change_affects_what_imports_or_reads_it(changed, affected, other):
    tests = affected_tests([changed])
    assert affected in tests
    assert other not in tests


def test_a_file_that_every_test_may_read_affects_all():
    assert len(affected_tests(["params.yaml"])) == len(ALL)
