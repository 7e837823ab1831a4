"""The command `iterpref`: in a checkout the verbs of the experiment and of the library, elsewhere the library's alone.

    iterpref_cli  ->  flows.cli  ->  tasks  ->  iterpref_core.cli

A wheel has this module and `iterpref_core`; flows and tasks belong to a checkout.
"""

import sys
from pathlib import Path

_HERE = Path(__file__).parent


def main() -> None:
    """Run a verb, and end with its exit code."""
    if (_HERE / "flows/cli/app.py").is_file():  # dvc.yaml may be gone, which `doctor` then says
        # `pip install -e` makes importable what belongs in a wheel.
        sys.path.insert(0, str(_HERE))
        from flows.cli import main as run_verb
    else:
        from iterpref_core.cli import main as run_verb
    run_verb()


if __name__ == "__main__":
    main()
