"""Answer forms of synthesis, as pydantic models: what a prompt asks for, and how an answer is read."""

import ast
import sys
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel, model_validator

from iterpref_core.problems.synthesis.feature_tree import CATEGORIES, FeaturePath
from iterpref_core.source_code.syntax_tree import parse_source

MAX_DEPTH = 4
"""Levels of a feature, its category included."""
MODULE = "solution"
TEST_FILE = "test.py"

FeatureName = Annotated[
    str,
    BeforeValidator(lambda name: " ".join(name.lower().split()) if isinstance(name, str) else name),
    Field(pattern=r"^[^>]{1,80}$"),
]
"""In lower case with single blanks, 1 to 80 characters, without `>`."""


class Features(RootModel[dict[FeatureName, "Features"]]):
    """A tree of features, the 16 categories first: each name with what stands below it, `{}` for nothing."""

    @model_validator(mode="before")
    @classmethod
    def _list_is_object(cls, value: Any) -> Any:
        return {name: {} for name in value} if isinstance(value, list) else value

    def paths(self) -> tuple[FeaturePath, ...]:
        """The features below the categories.

        Raises:
            ValueError: there is none, another category, or one that stands too deep.
        """
        if unknown := [name for name in self.root if name not in CATEGORIES]:
            raise ValueError(f"{unknown[0]!r} is none of the categories")
        nested = tuple(path for path in self.leaves() if len(path) > 1)
        if not nested:
            raise ValueError("there is no feature in it")
        if deep := [path for path in nested if len(path) > MAX_DEPTH]:
            raise ValueError(f"{' > '.join(deep[0])!r} stands too deep; go no deeper than {MAX_DEPTH} levels")
        return nested

    def leaves(self, above: FeaturePath = ()) -> Iterator[FeaturePath]:
        """What has nothing below it."""
        if not self.root:
            yield above
        for name, below in self.root.items():
            yield from below.leaves((*above, name))


class Draft(BaseModel):
    """A problem as a model writes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: Annotated[
        tuple[int, ...], Field(min_length=1, description="numbers of the offered features that the problem uses")
    ]
    instruction: Annotated[str, Field(min_length=1, description="the task")]
    solution: Annotated[str, Field(min_length=1, description="source of solution.py")]
    test: Annotated[str, Field(description="source of test.py")]

    @property
    def packages(self) -> tuple[str, ...]:
        """Third-party modules that are imported, by the name they are imported by."""
        return tuple(sorted((_imports(self.solution) | _imports(self.test)) - {MODULE} - sys.stdlib_module_names))

    @model_validator(mode="after")
    def _fits_together(self) -> "Draft":
        for name, source in (("solution", self.solution), ("test", self.test)):
            try:
                parse_source(source)
            except SyntaxError as error:
                raise ValueError(f"{name} is not valid Python: {error.msg}, line {error.lineno}") from None
        if MODULE not in _imports(self.test):
            raise ValueError(f"test does not import {MODULE}")
        if not _has_test(self.test):
            raise ValueError("test has no unittest.TestCase with a method named test_...")
        return self


def _imports(source: str) -> set[str]:
    """The top-level modules that a program imports."""
    modules = set[str]()
    for node in ast.walk(parse_source(source)):
        if isinstance(node, ast.Import):
            modules.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.add(node.module.partition(".")[0])
    return modules


def _has_test(source: str) -> bool:
    return any(
        isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) and item.name.startswith("test")
        for node in ast.walk(parse_source(source))
        if isinstance(node, ast.ClassDef) and any("TestCase" in ast.unparse(base) for base in node.bases)
        for item in node.body
    )
