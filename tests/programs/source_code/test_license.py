"""Licenses are found where projects name them."""

import pytest

from iterpref_core.programs.source_code.license import is_allowed, license_of_folder, names_in

BSD = "BSD-2-Clause OR BSD-3-Clause"
GRANT = "Copyright (c) 2020\n\nPermission is hereby granted, free of charge, to any person\n"
CLASSIFIERS = '["Framework :: Pytest", "License :: OSI Approved :: MIT License", "License :: OSI Approved :: BSD"]'


@pytest.mark.parametrize(
    ("file", "text", "license"),
    [
        ("pyproject.toml", "", "unknown"),
        ("pyproject.toml", "[project", "unknown"),
        ("pyproject.toml", '[project]\nlicense = "ISC"\n', "ISC"),
        ("pyproject.toml", '[project]\nlicense = "MIT OR Apache-2.0"\n', "MIT OR Apache-2.0"),
        ("pyproject.toml", '[project]\nlicense = { text = "MIT License\\n\\nCopyright" }\n', "MIT"),
        ("pyproject.toml", '[project.license]\ntext = "ISC"\n', "ISC"),
        ("pyproject.toml", '[project]\n# license = "GPL"\nlicense-files = ["LICENSE"]\n', "unknown"),
        ("setup.py", "setup(license=read('LICENSE'), license_file='LICENSE')\n", "unknown"),
        ("pyproject.toml", '[project]\nlicense = { file = "LICENSE" }\n', "unknown"),
        ("pyproject.toml", f'[project]\nlicense.file = "LICENSE"\nclassifiers = {CLASSIFIERS}\n', f"(MIT) AND ({BSD})"),
        ("pyproject.toml", f'[project]\nlicense.text = "Dual"\nclassifiers = {CLASSIFIERS}\n', f"(MIT) AND ({BSD})"),
        ("pyproject.toml", '[tool.poetry]\nlicense = "Proprietary"\n', "Proprietary"),
        ("setup.cfg", "[metadata]\nlicense = Apache License, Version 2.0\n", "Apache-2.0"),
        ("setup.cfg", "[metadata]\nclassifiers =\n    License :: OSI Approved :: ISC License (ISCL)\n", "ISC"),
        ("setup.cfg", "no section", "unknown"),
        ("setup.py", "import nowhere\nsetup(license='BSD')\n", BSD),
        ("setup.py", "setup(classifiers=['License :: OSI Approved :: MIT License'])\n", "MIT"),
        ("setup.py", "print 'of Python 2'", "unknown"),
        ("PKG-INFO", "Name: p\nLicense: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License\n\nText.", "MIT"),
        ("PKG-INFO", "License-Expression: 0BSD\n\nLicense\n=======\n", "0BSD"),
        ("PKG-INFO", "Name: p\n\nLicense\n=======\n", "unknown"),
        ("PKG-INFO", "Classifier: License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)\n", "MPL-2.0"),
        ("LICENSE-MIT", GRANT, "MIT"),
        ("LICENSE.txt", "    Apache License\n   Version 2.0\n", "Apache-2.0"),
        ("COPYING", "GNU GENERAL PUBLIC LICENSE\n", "GNU GENERAL PUBLIC LICENSE"),
        ("LICENSE", "All rights reserved.\n", "unknown"),
    ],
)
def test_a_folder_states_its_license_in_many_places(tmp_path, file, text, license):
    (tmp_path / file).write_text(text)
    assert license_of_folder(tmp_path) == license


def test_what_packaging_states_comes_before_the_option_and_the_option_before_a_text(tmp_path):
    (tmp_path / "LICENSE").write_text(GRANT)
    assert license_of_folder(tmp_path, "ISC") == "ISC"
    (tmp_path / "setup.cfg").write_text("[metadata]\nlicense = GPL\n")
    (tmp_path / "PKG-INFO").write_text("License: UNKNOWN\n")
    assert license_of_folder(tmp_path, "ISC") == "GPL"
    (tmp_path / "PKG-INFO").write_text("License: Zlib\n")
    assert license_of_folder(tmp_path, "ISC") == "Zlib"


@pytest.mark.parametrize(
    ("license", "allowed"),
    [
        ("mit", True),
        ("MIT AND BSD-3-Clause", True),
        ("MIT AND GPL-3.0-only", False),
        ("(MIT OR GPL-3.0-only) AND MIT", False),
        ("unknown", False),
        ("GNU LGPL (v2 or later)", True),
    ],
)
def test_all_that_an_expression_demands_must_be_allowed(license, allowed):
    assert is_allowed(license, ("MIT", "BSD-3-Clause", *names_in("GNU LGPL (v2 or later)"))) is allowed
