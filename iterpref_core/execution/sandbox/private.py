"""Private builtins: a program that patches `builtins` patches only its own world, not the harness's."""

import builtins
import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

_PACKAGE = __name__.rpartition(".")[0]


class _Loader(SourceFileLoader):
    """Functions keep the builtins that their module had when they were made."""

    private: dict[str, Any]

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = self.private
        super().exec_module(module)


class _Finder(MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.rpartition(".")[0] != _PACKAGE:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.origin is None:
            return None
        return importlib.util.spec_from_file_location(name, spec.origin, loader=_Loader(name, spec.origin))


def start(module: str) -> None:
    """Import a module of this package, and what it imports from it, privately; then call its `main`."""
    _Loader.private = dict(vars(builtins))
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    loaded = importlib.import_module(f"{_PACKAGE}.{module}")
    sys.meta_path.remove(finder)
    loaded.main()
