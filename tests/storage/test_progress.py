"""Progress: lines in a log, a bar in a terminal."""

from types import SimpleNamespace

from iterpref_core.storage import progress


def test_a_log_gets_a_line_now_and_then_and_at_the_end_of_the_first_process_alone(capsys, monkeypatch):
    clock = iter([0.0, 1.0, 11.0, 11.0, 12.0, 13.0, 13.0, 14.0, 15.0])
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with progress.show_progress("codeflow", 5, done=1, unit="problems") as advance:
        for solved in (1, 1, 2, 3):
            advance(note=f"{solved} solved")
    shown = "codeflow: 3/5 problems, 1 solved\ncodeflow: 5/5 problems, 3 solved\n"
    assert capsys.readouterr() == ("", shown)
    monkeypatch.setenv("RANK", "1")
    with progress.show_progress("train", 1) as advance:
        advance()
    assert capsys.readouterr() == ("", "")


def test_watched_items_come_as_they_are_and_count_once_they_are_done(capsys):
    assert list(progress.watch("inject", 2, "ab")) == ["a", "b"]
    assert capsys.readouterr() == ("", "inject: 2/2\n")
