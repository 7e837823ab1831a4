"""Record of a demo run: the figures of it that README and docs quote.

After `make demo` in FOLDER, on the machine that ran it:
`python -m tests.documentation.demo_record FOLDER > docs/demo_runs/COMMIT.json`. Then
`test_quoted_figures.py` names what README and docs say otherwise.
"""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.common.paths import SUMMARY
from tasks.orchestration.experiment_run import LAST_RUN, RunCost

_SCORES = ("pass_at_1", "ci95", "n")
_COMPARED = ("difference", "ci95", "p_value")


def record(workspace: Path) -> dict[str, Any]:
    """Where, when and in which code a run was made, what it cost, and its summary as far as the results table needs it.

    Args:
        workspace: the repository in which `make demo` has run.
    """
    summary = json.loads((workspace / SUMMARY).read_bytes())
    cost = RunCost.model_validate_json((workspace / LAST_RUN).read_bytes())
    processor = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    commit = ["git", "-C", str(workspace), "rev-parse", "--short", "HEAD"]
    return {
        "commit": subprocess.run(commit, check=True, capture_output=True, text=True).stdout.strip(),
        "finished": datetime.fromtimestamp((workspace / LAST_RUN).stat().st_mtime, UTC).isoformat(timespec="minutes"),
        "processor": processor[1] if processor else "unknown",
        "cost": cost.model_dump(exclude={"stages"}, exclude_unset=True) | {"stages": len(cost.stages)},
        "summary": {name: summary[name] for name in ("codeflow", "ground_truth", "missing", "unavailable")}
        | {
            "models": {
                model: {"heldout": {name: scores["heldout"][name] for name in _SCORES}}
                for model, scores in summary["models"].items()
            },
            "comparisons": {
                model: {
                    other: {"heldout": {name: found["heldout"][name] for name in _COMPARED}}
                    for other, found in others.items()
                }
                for model, others in summary["comparisons"].items()
            },
        },
    }


if __name__ == "__main__":
    print(json.dumps(record(Path(sys.argv[1])), indent=1, sort_keys=True, ensure_ascii=False))
