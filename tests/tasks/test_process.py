"""Processes told apart, also from later ones with the same number and from those of other machines."""

import psutil

from tasks.process import ProcessIdentity


def test_a_process_is_gone_when_another_one_or_none_has_its_number() -> None:
    mine = ProcessIdentity.observe(psutil.Process())
    assert not mine.is_gone()
    assert mine.model_copy(update={"start": mine.start - 1}).is_gone(), "the number was given again"
    unused = max(psutil.pids()) + 100_000
    assert mine.model_copy(update={"pid": unused}).is_gone()
    assert not mine.model_copy(update={"pid": unused, "host": "elsewhere"}).is_gone(), "there it may be well"
