"""Which stages run together, with which cores and which cards."""

import threading
from collections.abc import Mapping

import pytest

from tasks.dvc.graph import Stage
from tasks.slots import CancelledError, Slot, Slots, visible_cards

DEMO = {
    "problems": Stage("problems", ()),
    "training@sft": Stage("training@sft", ("problems",), accelerated=True),
    "training@dpo": Stage("training@dpo", ("problems",), accelerated=True),
    "report": Stage("report", ("training@sft", "training@dpo")),
}


def run_all(graph: Mapping[str, Stage], slots: Slots, most: int) -> tuple[dict[str, Slot], set[frozenset[str]]]:
    """Run every stage in a thread of its own; returns their slots, and which accelerated ones were at work together.

    An accelerated one waits until so many are, as they are to be.
    """
    met = threading.Barrier(most)
    given: dict[str, Slot] = {}
    running: set[str] = set()
    together = set()

    def run(name: str) -> None:
        with slots.take(name) as slot:
            given[name] = slot
            running.add(name)
            together.add(frozenset(name for name in tuple(running) if graph[name].accelerated))
            if graph[name].accelerated:
                met.wait(30)
            running.remove(name)

    threads = [threading.Thread(target=run, args=(name,)) for name in graph]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return given, together


@pytest.mark.parametrize(
    ("cards", "exclusive", "most", "each"),
    [
        ((), (), 2, 0),  # no accelerator: as many as `jobs`
        (("0",), (), 1, 1),  # one card: one stage at a time, although two may run
        (("0", "1"), (), 2, 1),  # two cards: one each
        (("0", "1"), ("training",), 1, 2),  # with accelerate: all cards, one stage
    ],
)
def test_accelerated_stages_have_cards_of_their_own(
    cards: tuple[str, ...], exclusive: tuple[str, ...], most: int, each: int
) -> None:
    given, together = run_all(DEMO, Slots(DEMO, jobs=2, cores=4, cards=cards, exclusive=exclusive), most)
    assert max(map(len, together)) == most
    assert {name: len(slot.cards) for name, slot in given.items()} == {
        "problems": 0, "training@sft": each, "training@dpo": each, "report": 0,
    }  # fmt: skip
    if most == 2 and each:
        assert {given["training@sft"].cards, given["training@dpo"].cards} == {("0",), ("1",)}
    assert given["problems"].cores == given["report"].cores == 4, "alone, a stage has all cores"


def test_the_longest_chain_goes_first_and_then_the_order_of_the_graph() -> None:
    graph = {
        "leaf": Stage("leaf", ()),
        "z": Stage("z", ()),
        "a": Stage("a", ()),
        "long": Stage("long", ()),
        "middle": Stage("middle", ("long",)),
        "end": Stage("end", ("middle",)),
    }
    slots = Slots(graph, jobs=1, cores=4, cards=())
    order = []
    running = threading.Event()

    def run(name: str) -> None:
        with slots.take(name):
            order.append(name)
            running.wait(30)

    threads = [threading.Thread(target=run, args=(name,)) for name in graph]
    for thread in threads:
        thread.start()
    running.set()
    for thread in threads:
        thread.join(30)
    assert order == ["long", "middle", "leaf", "z", "a", "end"]


def test_a_cancelled_run_starts_nothing_more() -> None:
    slots = Slots(DEMO, jobs=1, cores=1, cards=())
    slots.cancel()
    with pytest.raises(CancelledError), slots.take("problems"):
        pass


def test_the_cards_are_those_that_the_variable_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {"": (), "-1": (), "2, 3": ("2", "3"), "0,-1,1": ("0",), "GPU-8f2a,MIG-1": ("GPU-8f2a", "MIG-1")}
    for value, cards in seen.items():
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
        assert visible_cards() == cards
