"""Collecting the tests is quick: what is heavy is imported by the test that needs it, not by a head of a module."""

import ast
from functools import cache
from pathlib import Path

from tests.settings import ROOT

HEAVY = frozenset({
    "accelerate", "aiohttp", "datasets", "datasketch", "dvc", "evalplus", "mlflow", "moto", "openai", "peft", "prefect",
    "ray", "scipy", "torch", "transformers", "trl",
})  # fmt: skip
OF_TORCH = frozenset({"safetensors.torch"})
"""Modules of light packages that import a heavy one."""
OURS = ("benchmarks", "flows", "iterpref_core", "tasks", "tests")


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for top in OURS for path in (ROOT / top).rglob("*.py")}


def head_imports(tree: ast.AST) -> set[str]:
    """All modules that importing this one imports too: in no function, and not for types alone."""
    found: set[str] = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for other in node.orelse:
                found |= head_imports(ast.Module([other], []))
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found |= head_imports(node)
    return found


def with_packages(module: str) -> list[str]:
    """Return a module's name after those of the packages that hold it."""
    parts = module.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]


@cache
def heads_of(module: str) -> set[str]:
    return head_imports(ast.parse(MODULES[module].read_text(encoding="utf-8")))


def way_to_a_heavy_import(module: str) -> list[str]:
    """Return the modules from this one to a heavy package, each imported at the head of the one before; or nothing."""
    before: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        for imported in sorted(heads_of(name)):
            if imported.split(".")[0] in HEAVY or imported in OF_TORCH:
                way = [name, imported]
                while way[0] in before:
                    way.insert(0, before[way[0]])
                return way
            for found in with_packages(imported):
                if found in MODULES and found not in before and found != module:
                    before[found] = name
                    waiting.append(found)
    return []


def test_collecting_imports_nothing_heavy() -> None:
    """A heavy import belongs into the function or the fixture that uses it, and into `if TYPE_CHECKING` for types."""
    tests = [name for name in MODULES if name.startswith("tests.")]
    ways = [" -> ".join(way) for name in sorted(tests) if (way := way_to_a_heavy_import(name))]
    assert ways == []


def test_a_heavy_import_is_found_wherever_it_is_at_a_head() -> None:
    heads = (
        "import torch",
        "from torch import nn",
        "try:\n    import torch\nexcept ImportError: pass",
        "class A:\n    import torch",
        "if True:\n    import torch",
        "if TYPE_CHECKING: pass\nelse:\n    import torch",
    )
    for head in heads:
        assert "torch" in head_imports(ast.parse(head)), head
    for body in ("def f():\n    import torch", "if TYPE_CHECKING:\n    import torch"):
        assert "torch" not in head_imports(ast.parse(body)), body
