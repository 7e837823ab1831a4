"""Licenses are found where projects name them."""

import pytest

from iterpref_core.programs.source_code.license import is_allowed, license_of_folder


def test_a_folder_tells_by_its_project_file(tmp_path):
    for text, license in {
        "": "unknown", '[project]\nlicense = "ISC"\n': "ISC", '[project]\nlicense = { text = "MIT" }\n': "MIT",
        '[project]\nlicense = { file = "LICENSE" }\n': "unknown", "[project": "unknown",
    }.items():  # fmt: skip
        (tmp_path / "pyproject.toml").write_text(text)
        assert license_of_folder(tmp_path) == license
    assert license_of_folder(tmp_path / "elsewhere") == "unknown"


@pytest.mark.parametrize(
    ("license", "allowed"),
    [
        ("mit", True),
        ("MIT AND BSD-3-Clause", True),
        ("MIT AND GPL-3.0-only", False),
        ("(MIT OR GPL-3.0-only) AND MIT", False),
        ("unknown", False),
    ],
)
def test_all_that_an_expression_demands_must_be_allowed(license, allowed):
    assert is_allowed(license, ("MIT", "BSD-3-Clause")) is allowed
