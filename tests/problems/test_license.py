"""Licenses are found where projects name them."""

from pathlib import Path

import pytest

from iterpref_core.problems.own_code.license import (
    is_allowed,
    license_of_folder,
    license_of_package,
    license_of_source,
    recognize,
)
from iterpref_core.problems.own_code.project_interpreter import Installed


@pytest.mark.parametrize(
    ("text", "license"),
    [
        ("License :: OSI Approved :: Apache Software License", "Apache-2.0"),
        ("GNU LESSER GENERAL PUBLIC LICENSE Version 3", "LGPL"),
        ("Redistribution and use in source and binary forms ...\nNeither the name of", "BSD-3-Clause"),
        ("Redistribution and use in source and binary forms, with or without", "BSD-2-Clause"),
        ("All rights reserved, submit nothing", "unknown"),
    ],
)
def test_common_licenses_are_recognized(text: str, license: str) -> None:
    assert recognize(text) == license


def test_an_expression_counts_before_text_and_classifiers() -> None:
    package = Installed("/x", expression="MIT OR Apache-2.0", classifiers=("License :: OSI Approved :: BSD License",))
    assert license_of_package(package) == "MIT OR Apache-2.0"
    assert license_of_package(Installed("/x", field="see file", classifiers=package.classifiers)) == "BSD-3-Clause"
    assert license_of_package(Installed("/x")) == "unknown"


def test_a_folder_tells_by_its_project_file_or_its_license_file(tmp_path: Path) -> None:
    assert license_of_folder(tmp_path) == "unknown"
    (tmp_path / "LICENSE").write_text("Permission is hereby granted, free of charge, to any person")
    assert license_of_folder(tmp_path) == "MIT"
    (tmp_path / "pyproject.toml").write_text('[project]\nlicense = "ISC"\n')
    assert license_of_folder(tmp_path) == "ISC"


def test_a_files_own_header_counts_before_its_projects_license() -> None:
    assert license_of_source("# SPDX-License-Identifier: GPL-2.0-only\nx = 1\n", "MIT") == "GPL-2.0-only"
    assert license_of_source("x = 1\n", "MIT") == "MIT"


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
def test_all_that_an_expression_demands_must_be_allowed(license: str, allowed: bool) -> None:
    assert is_allowed(license, ("MIT", "BSD-3-Clause")) is allowed
