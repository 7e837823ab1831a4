"""Command line: `iterpref`, run in the process of the tests."""

import sys
from collections.abc import Callable

import pytest

Iterpref = Callable[..., tuple[int, str, str]]


def calling(main: Callable[[], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterpref:
    """Return a function that calls the command with some arguments, and returns (exit code, stdout, stderr)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["iterpref", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return call
