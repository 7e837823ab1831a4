"""Replicas: containers that both sides of a judged program have, kept alike, so that aliases work as in plain Python.

A list crosses as data, and from then on each side has one. While both are in use, every message takes along what has
changed on the side that sends it. Only one side runs at a time, so no change is seen too late:

    test      items = s.items       program   {"items": []} crosses, both call it container 5
              items.append(1)       judge     the next message says: 5 is now [1]
              assert len(s) == 1    program   its own list has the item
              s.items is items      program   answers {"@": 5}: the same list

A side that has no other use for a container than this table says so, and both forget it.
"""

import array
import collections
import decimal
import operator
import sys
from typing import Any

from ...codec.data_types import HOLDERS, MAPPINGS
from ...codec.marshalling import Decoder, Encoder

_MAX_COMPARED = 4_000_000
"""Items that a judge compares to find changes, all messages together: a tenth of a second. Then copies must do."""
_FOR_EACH = 4
"""Comparisons besides, for each item that crosses: they cost less than to write the item down and to read it."""
_LEEWAY = 2
"""The program may compare so many times as many, so that the judge, which says so in the result, gives up first."""
_BYTES = 64
"""Bytes that are compared as quickly as an item."""
_SEQUENCES = frozenset({list, set, collections.deque})
_NUMBERS = frozenset({float, complex, decimal.Decimal})
"""Types of values such as nan, which are numbered because only the same object is found again in a list."""
_MAPPINGS = frozenset({dict, *MAPPINGS.values()})


def state_of(container: Any) -> Any:
    """Return what a container holds: its items, or bytes where the items are numbers."""
    kind = type(container)
    if kind in _NUMBERS:
        return b""
    if kind in _SEQUENCES:
        return tuple(container)
    if kind in HOLDERS:
        container = vars(container)
        kind = dict
    if kind in _MAPPINGS:
        return (*container, *container.values())
    if kind is bytearray:
        return bytes(container)
    if kind is array.array:
        return container.tobytes()
    if container.dtype.kind == "O":
        return tuple(container.ravel().tolist())
    return repr(container.shape).encode() + container.tobytes()


def _is_same(state: Any, other: Any) -> bool:
    if type(state) is bytes:
        return bool(state == other)
    # The items are the same objects. To ask whether they are equal could mean to ask the program.
    return len(state) == len(other) and all(map(operator.is_, state, other))


def _size_of(state: Any) -> int:
    return 1 + (len(state) // _BYTES if type(state) is bytes else len(state))


class _Held:
    """A container, and what it held when the two sides were last alike."""

    __slots__ = ("container", "state")

    def __init__(self, container: Any) -> None:
        self.container = container
        self.state = state_of(container)

    def uses(self) -> int:
        """Return how many references there are to the container."""
        return sys.getrefcount(self.container)


_NO_OTHER_USE = _Held([]).uses()


def are_used(objects: list[Any]) -> bool:
    """Tell whether one of some objects is referred to by anything but the list."""
    return any(sys.getrefcount(each) > _IN_A_LIST for each in objects)


_IN_A_LIST = max(sys.getrefcount(each) for each in [object()])


class Budget:
    """The comparisons that one side may make, for all its threads.

    Args:
        is_judge: this is the judge's side.

    Attributes:
        is_spent: containers are no longer kept alike.
        threads: the containers of each thread of the conversation.
        is_by_copies: some containers may not have been alike.
    """

    def __init__(self, *, is_judge: bool) -> None:
        self._times = 1 if is_judge else _LEEWAY
        self._left = self._times * _MAX_COMPARED
        self.is_spent = False
        self.is_by_copies = False
        self.threads: list[Replicas] = []

    def add(self, items: int) -> None:
        """Add what is allowed for so many items that have crossed."""
        self._left += self._times * _FOR_EACH * items

    def spend(self, items: int) -> None:
        """Take so many comparisons away."""
        self._left -= items
        self.is_spent = self.is_spent or self._left < 0
        self.is_by_copies = self.is_by_copies or self.is_spent

    def share(self, one: "Replicas") -> None:
        """Note that a thread has new containers; if another has some too, each may change what the other does not see.

        Args:
            one: the containers of that thread.
        """
        if len(self.threads) > 1 and any(other.numbers for other in self.threads if other is not one):
            self.is_by_copies = True


class Replicas:
    """The containers that both sides of one thread of a conversation have.

    Both sides give the same numbers, because messages of a thread alternate.

    Args:
        budget: of this side.

    Attributes:
        numbers: of all containers, by identity.
        first: number of the first container that will be new.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        budget.threads.append(self)
        self._held: dict[int, _Held] = {}
        self._forgotten: list[int] = []
        self.numbers: dict[int, int] = {}
        self.first = 0

    def container(self, number: int) -> Any:
        """Return the container of a number.

        Raises:
            KeyError: there is none.
        """
        return self._held[number].container

    def updates(self, encoder: Encoder) -> Any:
        """Return what has changed here since the last message, as a tree for `heed`; None if nothing has."""
        if not self._held and not self._forgotten:
            return None
        changes: list[Any] = []
        for number, held in list(self._held.items()):
            self._budget.spend(_size_of(held.state))
            if self._budget.is_spent:
                # Nothing is alike from now on, and the other side shall not take it for that.
                self._forgotten += self._held
                self._held.clear()
                self.numbers.clear()
                break
            if not _is_same(state_of(held.container), held.state):
                changes.append([number, encoder.contents(held.container)])
            elif held.uses() == _NO_OTHER_USE:
                self._forget(number)
                self._forgotten.append(number)
        return [changes, list(self._forgotten)] if changes or self._forgotten else None

    def _forget(self, number: int) -> None:
        held = self._held.pop(number, None)
        if held is not None:
            del self.numbers[id(held.container)]

    def sent(self, fresh: list[Any], updates: Any) -> None:
        """Note that a message has been sent.

        Args:
            fresh: containers that were new in it.
            updates: that it took along.
        """
        if updates is not None:
            changes, _ = updates
            self._forgotten = []
            for number, _ in changes:
                held = self._held.get(number)
                if held is not None:
                    held.state = state_of(held.container)
        self._take(fresh)

    def heed(self, decoder: Decoder, updates: Any) -> None:
        """Make the changes that the other side tells of."""
        if updates is None:
            return
        changes, forgotten = updates
        for number, tree in changes:
            held = self._held[number]
            decoder.fill(held.container, tree)
            held.state = state_of(held.container)
        for number in forgotten:
            self._forget(number)

    def received(self, fresh: list[Any]) -> None:
        """Note the containers that were new in a message that has been read."""
        self._take(fresh)

    def _take(self, fresh: list[Any]) -> None:
        if fresh:
            self._budget.share(self)
        for number, container in enumerate(fresh, self.first):
            if self._budget.is_spent:
                self._forgotten.append(number)
            else:
                held = self._held[number] = _Held(container)
                self._budget.add(_size_of(held.state))
                self.numbers[id(container)] = number
        self.first += len(fresh)
