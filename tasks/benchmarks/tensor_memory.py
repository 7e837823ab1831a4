"""Peak tensor memory of a computation, in bytes."""

from collections.abc import Callable
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class _Watch(TorchDispatchMode):
    """Sees the result of every operation, forward and backward, and counts the storages that are still alive."""

    def __init__(self) -> None:
        super().__init__()
        self.peak: int = 0
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {leaf.untyped_storage().data_ptr() for leaf in tree_leaves((args, kwargs)) if torch.is_tensor(leaf)}
        result = func(*args, **(kwargs or {}))
        self._alive = {key: known for key, known in self._alive.items() if not known[0].expired()}
        for leaf in tree_leaves(result):
            if torch.is_tensor(leaf) and leaf.untyped_storage().data_ptr() not in given | self._alive.keys():
                storage = leaf.untyped_storage()
                self._alive[storage.data_ptr()] = StorageWeakRef(storage), storage.nbytes()
        self.peak = max(self.peak, sum(size for _, size in self._alive.values()))
        return result


def peak_bytes(compute: Callable[[], object]) -> int:
    """Bytes of all tensors that `compute` makes and has at one time, gradients included, scratch of kernels not.

    The count does not depend on the machine or on what the allocator keeps.
    """
    watch = _Watch()
    with watch:
        compute()
    return watch.peak
