"""What the tests of packaging share."""

from pathlib import Path

import pytest

from tests.once import made_once
from tests.packaging.clean_environment import build_distributions
from tests.settings import ROOT


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist of this checkout."""
    return made_once(tmp_path_factory, "distributions", lambda folder: build_distributions(ROOT, folder))
