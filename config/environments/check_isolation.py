"""Isolation check, by the standard library alone, before anything is installed.

`python config/environments/check_isolation.py` ends with 2, and one message, where a model's programs could not be
executed, unless params.yaml allows that.
"""

import re
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.modules["iterpref_core.execution"] = package = ModuleType("iterpref_core.execution")
    package.__path__ = [str(ROOT / "iterpref_core/execution")]  # its own __init__ imports what is not installed yet
    from iterpref_core.execution.isolation.tiers import choose
    from iterpref_core.records import IsolationError

    trusted = re.search(r"(?m)^  allow_unsafe: true\b", (ROOT / "params.yaml").read_text(encoding="utf-8"))
    try:
        choose(allow_unsafe=bool(trusted))
    except IsolationError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
