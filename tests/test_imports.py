"""Libraries are imported where they are used: nobody waits for one, or holds it in memory, for whom it does nothing."""

import subprocess
import sys

from scripts.import_graph import MODULES, dependencies_of
from tasks.stages import STAGES

IMPORTS = {
    # A stage observes its code before it imports it.
    "import flows.stage": tuple(
        name
        for name, path in MODULES.items()
        if any(path.is_relative_to(place) for stage in STAGES for place in dependencies_of(stage))
    ),
    "from iterpref_core import Program, extract_program, localize": ("torch", "transformers", "datasets"),
    # In every verb, and in every `iterpref run` that has nothing to do.
    "import iterpref_core.cli.problem_verbs, iterpref_core.pairs.ingestion.preference_pairs": ("numpy",),
    "import iterpref_core.evaluation.report.standings": ("numpy",),
    "import flows.prefect_flows": ("numpy",),
    "import tasks.doctor, iterpref_core.models.inference.backend_factory": ("torch",),
}
"""Statements, run one after the other, and what is not loaded by then."""


def loaded(statements):
    """Return, for each statement and absent modules, which of these are loaded by then, as a program prints them."""
    program = ["import sys"]
    for statement, absent in statements.items():
        program += [statement, f"print(sys.modules.keys() & {absent})"]
    shown = subprocess.run([sys.executable, "-c", "\n".join(program)], capture_output=True, text=True, check=True)
    return shown.stdout.splitlines()


def test_libraries_are_imported_where_they_are_used():
    assert loaded(IMPORTS) == ["set()"] * len(IMPORTS)


def test_the_options_of_verbs_load_no_library_of_tables():
    assert loaded({"import iterpref_core.cli.options": ("rich.console", "rich.table")}) == ["set()"]
