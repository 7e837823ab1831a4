"""Which stage starts when, and with how many cores."""

import threading
from collections.abc import Iterator

import pytest

from tasks.orchestration.slots import CancelledError, Slots
from tasks.recording.dvc_graph import Stage, downstream_depth

PATIENCE_S = 200
LONG = "draft", "pair", "train"


def stage(name: str, *upstream: str) -> Stage:
    return Stage(name, upstream, (), (), ())


GRAPH = {
    item.name: item
    for item in (
        stage("models"),
        stage("draft", "models"),
        stage("score@base", "models"),
        stage("score@best", "models"),
        stage("pair", "draft"),
        stage("train", "pair"),
        stage("report", "train", "score@base", "score@best"),
    )
}


class Workers:
    """Threads that each take the slot of a stage and hold it until told to let go."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.cores: dict[str, int] = {}
        self.started = {name: threading.Event() for name in GRAPH}
        self.release = {name: threading.Event() for name in GRAPH}
        self.fails: set[str] = set()
        self.threads = [threading.Thread(target=self._work, args=(name,), daemon=True) for name in GRAPH]
        for thread in self.threads:
            thread.start()

    def _work(self, name: str) -> None:
        try:
            with self.slots.take(name) as cores:
                self.cores[name] = cores
                self.started[name].set()
                self.release[name].wait()
                if name in self.fails:
                    raise RuntimeError(name)
        except (CancelledError, RuntimeError):
            return

    def finish(self, name: str) -> None:
        assert self.started[name].wait(PATIENCE_S), f"{name} never started"
        self.release[name].set()


@pytest.fixture
def workers() -> Iterator[Workers]:
    workers = Workers(Slots(GRAPH, jobs=2, cores=8))
    yield workers
    workers.slots.cancel()
    for event in workers.release.values():
        event.set()


def test_the_longest_chain_goes_first(workers: Workers) -> None:
    assert downstream_depth(GRAPH)["draft"] > downstream_depth(GRAPH)["score@base"]
    workers.finish("models")
    assert workers.started["draft"].wait(PATIENCE_S)


def test_a_stage_alone_gets_all_cores_and_a_pair_shares_them(workers: Workers) -> None:
    workers.finish("models")
    assert workers.started["draft"].wait(PATIENCE_S), "while the scores still run or wait: the longest chain goes first"
    for name in ("score@base", "score@best", "draft", "pair", "train", "report"):
        workers.finish(name)
    assert workers.started["report"].wait(PATIENCE_S)
    assert workers.cores["models"] == 8
    assert workers.cores["draft"] == 4
    assert workers.cores["report"] == 8


def test_a_failed_stage_blocks_only_what_needs_it(workers: Workers) -> None:
    workers.fails.update({"score@base", "score@best"})
    for name in ("models", "score@base", "score@best", *LONG):
        workers.finish(name)
    assert workers.started["train"].wait(PATIENCE_S)
    assert not workers.started["report"].wait(0.2)


def test_nothing_starts_after_cancelling(workers: Workers) -> None:
    assert workers.started["models"].wait(PATIENCE_S)
    workers.slots.cancel()
    workers.finish("models")
    for thread in workers.threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert set(workers.cores) == {"models"}


def test_a_stage_that_failed_may_be_tried_again() -> None:
    slots = Slots(GRAPH, jobs=1, cores=2)
    with pytest.raises(RuntimeError), slots.take("models"):
        raise RuntimeError
    with slots.take("models") as cores:
        assert cores == 2
    with slots.take("draft"):
        pass
