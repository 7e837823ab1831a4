"""`script` tests: a script that imports the solution by a name, with files of its own."""

import os
import re
import sys
import types
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..solution.loading import file_of, write_files
from .kind import Child, Judge, Kind, Step
from .module_names import forget, modules_of
from .reports import PASSED, Report, compiled
from .unittest_classes import run_as_main

if TYPE_CHECKING:
    from ..comparison.expectations import Expected


class Script(Kind):
    """The kind `script`. The body has `module`, `files` and `run`, as the record, and the `source`."""

    name = "script"
    loads_itself = True
    imports_solution = True

    def step(self, test: Any, compared: "Expected | None") -> Step:
        """Return the step of a test."""
        del compared
        source = test.files[test.run]
        sent = test.model_dump(exclude={"kind", "environment", "packages"})
        sent["source"] = source
        return Step(self, sent, lambda: str(source))

    def sources(self, test: Any) -> Sequence[str]:
        """Return the script."""
        return [test.files[test.run]]

    def packages(self, test: Any) -> Sequence[str]:
        """Return what the record names, and the script imports."""
        from iterpref_core.execution.kinds.outside import packages_of

        own = frozenset({test.module, *modules_of(test.files)})
        return [*test.packages, *packages_of(test.files[test.run], own)]

    def why_inside(self, test: Any, setup: str) -> str:
        """Return what a file uses that a judge beside the program has not, or that none imports the solution."""
        from iterpref_core.execution.kinds.outside import why_inside

        sources = [text for name, text in test.files.items() if name.endswith(".py")]
        # A script that never imports the solution reads it as a file, or starts it: the judge has no such file.
        imports = re.compile(rf"^\s*(import|from)\b.*\b{test.module.rpartition('.')[2]}\b", re.MULTILINE)
        if not any(map(imports.search, sources)):
            return "a script that does not import the solution"
        own = frozenset({test.module, *modules_of(test.files)})
        return next(filter(None, (why_inside(text, own, setup) for text in sources)), "")

    def counter_test(self, test: Any) -> tuple[Any, bool]:
        """Return the script and its modules with other expectations; one that changes its own is told so, alone."""
        from iterpref_core.execution.kinds.counter_test import OWN, counter_test

        if OWN in test.files[test.run]:
            names = [test.run]
        else:
            names = [name for name in test.files if name.endswith(".py")]
        files = dict(test.files)
        decides = False
        for name in names:
            counter = counter_test(files[name])
            files[name] = counter.source
            decides = decides or counter.decides
        return test.model_copy(update={"files": files}), decides

    def modules(self, step: Step) -> Sequence[str]:
        """Return the name of the solution."""
        return [step.body["module"]]

    def uses_pytest(self, step: Step) -> bool:
        """Tell whether the script names pytest."""
        return "pytest" in step.source

    def place(self, step: Step) -> str:
        """Return the path of the script."""
        return str(step.body["run"])

    def files(self, body: Any) -> tuple[str, str]:
        """Return the module that the solution is, and the script."""
        return body["module"], body["run"]

    def run(self, body: Any, child: Child) -> Report:
        """Run the script beside the solution, which it imports or reads as a file."""
        code = f"{child.setup}\n{child.code}" if child.setup else child.code
        write_files("", {file_of(body["module"]): code, **body["files"]})
        sys.path.insert(0, os.getcwd())
        forget(modules_of(body["files"]))
        main = types.ModuleType("__main__")
        main.__file__ = body["run"]
        sys.modules["__main__"] = main
        sys.argv = [body["run"]]
        run_as_main(compiled(body["source"], body["run"]), vars(main))
        return PASSED

    def judge(self, body: Any, judge: Judge) -> Report:
        """Run the script in the judge's own folder, which has all modules of the test."""
        files = body["files"]
        judge.write(files)
        # The program's side gets the files that both may read, but not the script.
        shared = {name: text for name, text in files.items() if name != body["run"]}
        judge.ask("prepare", body["module"], shared)
        # The solution stays loaded, and with it the packages that it lies in.
        solution = f"{body['module']}."
        forget(name for name in modules_of(files) if not solution.startswith(f"{name}."))
        sys.path.insert(0, judge.folder)
        namespace = judge.namespace("__main__")
        path = os.path.join(judge.folder, body["run"])
        namespace["__file__"] = path
        sys.argv = [path]
        judge.run_counted(body["source"], path, namespace, run_as_main)
        return PASSED
