"""What a stage's process imports before its body begins: nothing that the stage does not use."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.settings import ROOT

HEAVY = {
    *("accelerate", "datasets", "datasketch", "dvc.repo", "evalplus", "matplotlib", "mlflow", "numpy", "openai"),
    *("pandas", "peft", "prefect", "ray", "scipy", "sklearn", "torch", "transformers", "trl"),
}
"""Each takes a tenth of a second or more."""
TOKENIZER = {"numpy", "torch", "transformers"}  # transformers' tokenizers import PyTorch
MODEL = TOKENIZER | {"accelerate", "scipy"}  # and its models these
STAGES = {
    "problems": set[str](),
    "localization": set[str](),
    "validity": set[str](),
    "report": {"numpy"},
    "pairs": TOKENIZER,
    "nanolab": MODEL,
    "codeflow": MODEL,
    "evaluation base": MODEL,
    "training dpo": MODEL | {"datasets", "pandas", "peft", "trl"},
}
"""What each may import, the lightest first: all are started in one process, one after the other."""

PROGRAM = """
import json, runpy, sys
from tasks.common import stage_body as body

heavy, found = set(sys.argv[1].split()), {}

def begin(stage, *_, **__):
    found[stage] = sorted(heavy & set(sys.modules))
    sys.exit(3)

body.run_body = begin
for command in sys.argv[2:]:
    stage, *arguments = command.split()
    sys.argv = [stage, *arguments]
    try:
        runpy.run_module(f"flows.{stage}", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        assert end.code == 3, command
print(json.dumps(list(found.values())))
"""


def test_a_bare_stage_imports_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    """Under a bare `dvc repro`, that is: no Prefect server, no orchestrator, no fork."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    (tmp_path / "dvc.lock").write_text("stages: {x: {outs: [{path: x, md5: abcdef, size: 1}]}}", encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT", "MLFLOW", "ITERPREF"))}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, " ".join(HEAVY), *STAGES],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    imported = dict(zip(STAGES, json.loads(done.stdout.splitlines()[-1]), strict=True))
    offenders = {stage: sorted(set(names) - STAGES[stage]) for stage, names in imported.items()}
    assert not any(offenders.values()), offenders
