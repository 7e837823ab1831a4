"""Command line: `iterpref`, run in the process of the tests."""

import sys

import pytest

from iterpref_core.records import PUBLISHED


def hide_benchmarks(monkeypatch):
    """Hide this machine's copies of benchmarks: `check` would read all of them, which takes seconds each time."""
    for data in PUBLISHED.values():
        monkeypatch.delenv(data.variable, raising=False)


def calling(main, monkeypatch, capsys):
    """Return a function that calls the command with some arguments, and returns (exit code, stdout, stderr)."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["iterpref", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return call
