"""Entrants of a leaderboard: the meaning of each name on the command line, found out before any model is asked."""

import logging
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from iterpref_core.evaluation.evaluation.results_file import RESULTS
from iterpref_core.models.inference.backend_factory import check_model, model_at, names_served
from iterpref_core.models.pretrained.checkpoints import SOURCE_FILE, is_gguf, is_served
from iterpref_core.records.backend_table import BACKENDS
from iterpref_core.records.config import Params
from iterpref_core.records.errors import InputError

logger = logging.getLogger(__name__)

Kind = Literal["model", "samples", "results"]


@dataclass(frozen=True)
class Entrant:
    """One row of a leaderboard for each benchmark.

    Attributes:
        name: the name in the table.
        kind: a model that is asked, samples that are scored, or results of an evaluation, which are taken as they are.
        place: the folder, file or name that was given.
    """

    name: str
    kind: Kind
    place: str

    @property
    def model(self) -> Path | str:
        """Return the model: a folder here as a path."""
        return model_at(self.place, served=False)

    @property
    def folder(self) -> str:
        """Return the name of a folder for the entrant's results."""
        return re.sub(r"[^\w.+-]+", "--", self.name.strip("/."))


def find_entrants(places: Sequence[str], params: Params) -> list[Entrant]:
    """Return the entrant of each place, after all checks that need no answer of a model.

    Args:
        places: folders of checkpoints or of results, hub ids, names of served models, files of samples.
        params: the backend, and the form in which a model with weights here reads prompts.

    Raises:
        InputError: one is given twice, or is a folder of nothing that is known; a model with weights here cannot be
            used.
    """
    kinds = {place: _kind_of(place) for place in places}
    short = {place: _short_name(place, kind) for place, kind in kinds.items()}
    uses = Counter(short.values())
    entrants = []
    for place in places:
        name = short[place] if uses[short[place]] == 1 else place
        entrants.append(Entrant(name, kinds[place], place))
    for folder, count in Counter(entrant.folder for entrant in entrants).items():
        if count > 1:
            raise InputError(f"{folder}: given twice; name each model once")
    for entrant in entrants:
        if entrant.kind != "model" or is_served(entrant.place):
            continue
        if not names_served(entrant.model, params.inference.backend):
            if not BACKENDS[params.inference.backend].weights:
                logger.warning(
                    "%s: a folder here, which is read in this process; `evaluate --backend openai` asks the server",
                    entrant.place,
                )
            asked = params.inference.model_copy(update={"backend": params.evaluation.backend})
            check_model(entrant.place, params.model.student_format, asked)
    return entrants


def _kind_of(place: str) -> Kind:
    path = Path(place)
    if path.is_file() and not is_gguf(place):
        return "results" if path.name == RESULTS else "samples"
    if not path.is_dir():
        return "model"
    if (path / RESULTS).is_file():
        return "results"
    if (path / SOURCE_FILE).is_file() or (path / "config.json").is_file():
        return "model"
    raise InputError(f"{path}: a folder without a checkpoint (config.json) or results ({RESULTS}); check the path")


def _short_name(place: str, kind: Kind) -> str:
    path = Path(place)
    if kind == "results":
        return (path if path.is_dir() else path.absolute().parent).name
    return path.stem if kind == "samples" else path.name
