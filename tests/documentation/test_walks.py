"""Numbers that the walks show, where a command without a model prints them."""

import re
import shutil
from pathlib import Path
from string import Template

import pytest

from tests.flows.conftest import Iterpref, iterpref
from tests.settings import ROOT

__all__ = ["iterpref"]

VARIABLES = {"MODEL": "/models/student", "DEBUGGER": "a-debugger", "DEBUGGER_URL": "http://127.0.0.1:1/v1"}


@pytest.mark.parametrize("page", ["own-model.md", "tutorial.md"])
def test_init_prints_the_line_that_the_page_shows(page: str, iterpref: Iterpref) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    (command,) = re.findall(r"(?m)^iterpref (init .+)$", text)
    (shown,) = re.findall(r"(?m)^params\.yaml: profile .*$", text)
    Path("profiles").symlink_to(ROOT / "profiles")
    shutil.copy2(ROOT / "params.yaml", ".")
    code, printed, err = iterpref(*Template(command).substitute(VARIABLES).split())
    assert code == 0, err
    assert printed.splitlines()[-1] == shown
