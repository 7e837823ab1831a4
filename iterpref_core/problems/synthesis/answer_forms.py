"""Define the forms of the answers in synthesis, as pydantic models for prompts and for reading."""

import ast
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel, model_validator

from iterpref_core.programs.source_code.names import imported_modules, packages_of
from iterpref_core.programs.source_code.syntax_tree import parse_source

from .feature_tree import CATEGORIES, FeaturePath

# The largest number of levels of a feature, its category included.
MAX_DEPTH = 4
MODULE = "solution"
TEST_FILE = "test.py"

# The name of a feature: lower case with single blanks, 1 to 80 characters, without `>`.
FeatureName = Annotated[
    str,
    BeforeValidator(lambda name: " ".join(name.lower().split()) if isinstance(name, str) else name),
    Field(pattern=r"^[^>]{1,80}$"),
]


class Features(RootModel[dict[FeatureName, "Features"]]):
    """A tree of features, the 16 categories first: each name with the features below it, `{}` for none."""

    @model_validator(mode="before")
    @classmethod
    def _list_is_object(cls, value: Any) -> Any:
        return {name: {} for name in value} if isinstance(value, list) else value

    def paths(self) -> tuple[FeaturePath, ...]:
        """Return the features below the categories.

        Raises:
            ValueError: the tree has no feature, an unknown category, or a feature on too deep a level.
        """
        for name in self.root:
            if name not in CATEGORIES:
                raise ValueError(f"{name!r} is not a category")
        nested = tuple(path for path in self.leaves() if len(path) > 1)
        if not nested:
            raise ValueError("it has no feature")
        for path in nested:
            if len(path) > MAX_DEPTH:
                raise ValueError(f"{' > '.join(path)!r} is too deep; use at most {MAX_DEPTH} levels")
        return nested

    def leaves(self, above: FeaturePath = ()) -> Iterator[FeaturePath]:
        """Yield the paths of all features without features below them."""
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
    instruction: Annotated[str, Field(pattern=r"\w", description="the task")]
    solution: Annotated[str, Field(min_length=1, description="source of solution.py")]
    test: Annotated[str, Field(description="source of test.py")]

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages that the problem cannot do without."""
        return tuple(packages_of(parse_source(f"{self.solution}\n{self.test}"), [MODULE]))

    @model_validator(mode="after")
    def _fits_together(self) -> "Draft":
        for name, source in (("solution", self.solution), ("test", self.test)):
            try:
                parse_source(source)
            except SyntaxError as error:
                raise ValueError(f"{name} is not valid Python: {error.msg}, line {error.lineno}") from None
        if MODULE not in imported_modules(parse_source(self.test)):
            raise ValueError(f"test does not import {MODULE}")
        if not _has_test(self.test):
            raise ValueError("test has no unittest.TestCase with a method named test_...")
        return self


def _has_test(source: str) -> bool:
    for node in ast.walk(parse_source(source)):
        if isinstance(node, ast.ClassDef) and any("TestCase" in ast.unparse(base) for base in node.bases):
            methods = [item.name for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)]
            if any(name.startswith("test") for name in methods):
                return True
    return False
