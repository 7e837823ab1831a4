"""Train with a loss and an error region of your own: SimPO, against the first part of each error.

python examples/own_objective.py MODEL OUT PAIRS
"""

import sys
from pathlib import Path

from torch import Tensor
from torch.nn.functional import logsigmoid

from iterpref_core import OBJECTIVES, localize
from iterpref_core.records import Objective, ObjectiveParams, load_params
from iterpref_core.storage.jsonl import read_pairs, write_jsonl
from iterpref_core.training.objectives.losses import PREFERENCE_LOSSES, ProgramSums
from iterpref_core.training.trainer.train_objective import train_objective


def simpo(chosen: ProgramSums, rejected: ProgramSums, beta: float) -> Tensor:
    """SimPO (arXiv 2405.14734, equation 6) with gamma = 0.5: mean log-probabilities, and no reference."""
    return -logsigmoid(beta * (chosen.logps / chosen.tokens - rejected.logps / rejected.tokens) - 0.5)


model, out, source = sys.argv[1:]
folder = Path(out)
marked = []
for pair in read_pairs(source):
    region = localize(pair.rejected, pair.chosen).rejected[:1]  # ((start, end),) in characters of pair.rejected
    marked.append(pair.model_copy(update={"rejected_spans": region, "localization": "first_part"}))
write_jsonl(folder / "pairs.jsonl", marked)

PREFERENCE_LOSSES["simpo"] = simpo
OBJECTIVES["simpo"] = Objective("SimPO", "simpo", rejected="focal")
line = ObjectiveParams(learning_rate=1e-4, beta=2.0)
params = load_params().training.model_copy(update={"objectives": {"simpo": line}})
paths = {"out": folder / "model", "curve": folder / "curve.csv", "scratch": folder / "work"}
print(train_objective(folder / "pairs.jsonl", model, "simpo", params, **paths).metrics())
