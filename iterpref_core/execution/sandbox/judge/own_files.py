"""Own files: those that a judge has for itself, and that a test finds under their names beside the program's files.

A test means its own files by `open("expected.txt")`, and a program could put a file of that name where it runs. So the
test's working folder is in truth the judge's own, and only functions that are known here look into the shared folder,
for names that are not the judge's:

    own = {"expected.txt", "lib/sums.py"}      the judge's folder has them
    open("expected.txt"), linecache, FileIO    the judge's file: by this module, or because it is the working folder
    open("out.txt"), os.remove("out.txt")      the shared folder, where the program may have written it
    os.listdir("."), glob, os.walk             both folders
    FileIO("/.../expected.txt")                refused: it would be the program's, if only for a moment
    import sums                                the judge's folder alone
"""

import builtins
import errno
import functools
import importlib.machinery
import io
import os
import sys
import tokenize
from collections.abc import Callable, Iterator
from types import CodeType, ModuleType
from typing import Any, Self

from .assertions import Assertions

_FIRST_PATH = (
    *("open", "stat", "lstat", "access", "readlink", "chmod", "utime", "truncate", "statvfs"),
    *("remove", "unlink", "rmdir", "mkdir"),
)
_BOTH_PATHS = ("rename", "replace", "link")
_OPENING = frozenset({"open", "sqlite3.connect"})
"""Events of Python's own audit by which a file is opened."""


class OwnFiles:
    """The judge's folder, as a test finds it; made once for each judge.

    Args:
        shared: the folder in which the program runs.
        folder: the judge's own.
        assertions: counts those in the test's modules.

    Attributes:
        secret: names of files that the program's folder may not have.
    """

    def __init__(self, shared: str, folder: str, assertions: Assertions) -> None:
        self._shared = shared
        self._folder = folder
        self._own: frozenset[str] = frozenset()
        self.secret: tuple[str, ...] = ()
        self._is_installed = False
        self._lstat = os.lstat
        self._listdir = os.listdir
        self._scandir = os.scandir
        self._import_from_here(assertions)

    def take(self, own: frozenset[str], secret: frozenset[str]) -> None:
        """Have files of the judge's folder found; the shared folder may have none of the secret ones."""
        self._own = own
        self.secret = tuple(os.path.join(self._shared, name) for name in secret)
        os.chdir(self._folder)
        if not self._is_installed:
            self._is_installed = True
            self._install()

    def is_planted(self) -> bool:
        """Tell whether the program has made a file of the name of a secret one."""
        return any(self._exists(path) for path in self.secret)

    def _exists(self, path: str) -> bool:
        try:
            self._lstat(path)
        except OSError:
            return False
        return True

    def _relative(self, path: str) -> str:
        """Return a path as the shared folder has it; names of the judge's own folder stay outside."""
        return os.path.normpath(os.path.relpath(os.path.join(self._shared, path), self._shared))

    def _is_own(self, relative: str) -> bool:
        is_a_folder = any(name.startswith(relative + "/") for name in self._own)
        return relative in self._own or is_a_folder

    def _moved(self, path: Any) -> Any:
        """Return where a file is that a test names."""
        if not isinstance(path, str | bytes | os.PathLike):
            return path  # a descriptor
        given = os.fspath(path)
        text = os.fsdecode(given)
        relative = self._relative(text)
        if relative != "." and self._is_own(relative):
            found = os.path.join(self._folder, relative)
        elif os.path.isabs(text):
            return path
        else:
            found = os.path.join(self._shared, text)
        return os.fsencode(found) if isinstance(given, bytes) else found

    def _install(self) -> None:
        def first(function: Callable[..., Any]) -> Callable[..., Any]:
            def call(path: Any, *args: Any, **named: Any) -> Any:
                return function(self._moved(path), *args, **named)

            return call

        def both(function: Callable[..., Any]) -> Callable[..., Any]:
            def call(source: Any, target: Any, *args: Any, **named: Any) -> Any:
                return function(self._moved(source), self._moved(target), *args, **named)

            return call

        builtins.open = io.open = first(io.open)
        # `linecache` reads by the one, `runpy` by the other.
        setattr(tokenize, "_builtin_open", io.open)  # noqa: B010
        io.open_code = first(io.open_code)
        for name in _FIRST_PATH:
            setattr(os, name, first(getattr(os, name)))
        for name in _BOTH_PATHS:
            setattr(os, name, both(getattr(os, name)))
        setattr(os, "getcwd", lambda: self._shared)  # noqa: B010 - a function of the module is replaced
        setattr(os, "getcwdb", lambda: os.fsencode(self._shared))  # noqa: B010
        setattr(os, "listdir", self._list)  # noqa: B010
        setattr(os, "scandir", self._scan)  # noqa: B010
        sys.addaudithook(self._refuse_planted)

    def _refuse_planted(self, event: str, args: tuple[Any, ...]) -> None:
        """Refuse to open the place in the shared folder where a file of the judge's would be, in whatever way."""
        if event not in _OPENING or not args or not isinstance(args[0], str | bytes | os.PathLike):
            return
        path = os.fsdecode(args[0])
        if os.path.isabs(path) and self._is_own(self._relative(path)):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)

    def _places(self, path: Any) -> list[str]:
        """Return the folders that one folder is for a test; empty if no file of the judge's is in it."""
        if isinstance(path, int):
            return []
        relative = self._relative(os.fsdecode(path))
        if relative != "." and not any(name.startswith(relative + "/") for name in self._own):
            return []
        places = [os.path.join(self._shared, relative), os.path.join(self._folder, relative)]
        return [place for place in places if self._exists(place)]

    def _list(self, path: Any = ".") -> list[Any]:
        places = self._places(path)
        if not places:
            return self._listdir(self._moved(path))
        names: set[str] = set()
        for place in places:
            names.update(self._listdir(place))
        found = sorted(names)
        return [os.fsencode(name) for name in found] if isinstance(path, bytes) else found

    def _scan(self, path: Any = ".") -> Any:
        given = path if isinstance(path, int) else os.fspath(path)
        places: list[Any] = self._places(path) or [self._moved(path)]
        if isinstance(given, bytes):
            places = [os.fsencode(place) for place in places]
        seen: dict[Any, _Entry] = {}
        for place in places:
            with self._scandir(place) as entries:
                for entry in entries:
                    seen.setdefault(entry.name, _Entry(entry, given))
        return _Entries(list(seen.values()))

    def _import_from_here(self, assertions: Assertions) -> None:
        """Have modules in the shared folder, which a program could write, found in the judge's folder alone."""
        loader: Any = functools.partial(_Loader, assertions)

        def only_ours(path: str) -> Any:
            where = os.path.abspath(path or self._shared)
            if where == self._folder or where.startswith(self._folder + "/"):
                place = where
            elif where == self._shared or where.startswith(self._shared + "/"):
                place = self._folder + where.removeprefix(self._shared)
            else:
                raise ImportError
            if os.path.isfile(place):
                raise ImportError  # it is run as a script, by `runpy`
            return importlib.machinery.FileFinder(place, (loader, [".py"]))

        sys.path_hooks.insert(0, only_ours)
        for path in [*sys.path_importer_cache]:
            if path in ("", ".") or path.startswith((self._shared, self._folder)):
                del sys.path_importer_cache[path]


class _Loader(importlib.machinery.SourceFileLoader):
    """The loader of a module of the test's, whose assertions are counted."""

    def __init__(self, assertions: Assertions, fullname: str, path: str) -> None:
        super().__init__(fullname, path)
        self._assertions = assertions

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self._assertions.compiled(self.get_data(path), path)

    def exec_module(self, module: ModuleType) -> None:
        self._assertions.count_in(vars(module))
        super().exec_module(module)


class _Entry:
    """An entry of a folder, under the path that the test has given."""

    def __init__(self, entry: Any, folder: Any) -> None:
        self._entry = entry
        self.name = entry.name
        self.path = entry.path if isinstance(folder, int) else os.path.join(folder, entry.name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._entry, name)

    def __fspath__(self) -> Any:
        return self.path

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"


class _Entries:
    """The entries of one folder or of two, as `os.scandir` gives them."""

    def __init__(self, entries: list[_Entry]) -> None:
        self._entries = iter(entries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[_Entry]:
        return self._entries

    def __next__(self) -> _Entry:
        return next(self._entries)

    def close(self) -> None:
        """Give no more entries."""
        self._entries = iter(())
