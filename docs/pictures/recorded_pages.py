"""Recorded pages: what the screenshots show, as today's code makes it of the recorded run."""

import re
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from docs.pictures.drawing import FOLDER, RECORDED, ROOT
from docs.pictures.stage_graph import stage_names
from iterpref_core.config import load_params
from iterpref_core.report.explorer_page import Explored, write_explorer
from iterpref_core.report.page import write_page
from iterpref_core.report.report import choose_pairs
from iterpref_core.report.stage_outputs import load_curves
from iterpref_core.report.summary import read_object

SCREENSHOTS = FOLDER / "screenshots.json"
"""Screenshot → what its page was made from, and the hash of the picture."""


def make_pages(run: Path = RECORDED) -> dict[str, str]:
    """Report and explorer of the record, as HTML by the names of their screenshots.

    Args:
        run: folder of the record; it has some of the run's trajectories, and none of the models' answers.
    """
    params = load_params(ROOT / "params.yaml")
    trajectories, problems, pairs, spans = (
        run / f"{name}.jsonl" for name in ("trajectories", "problems", "pairs", "focal")
    )
    shown = choose_pairs(pairs, spans, params.report.pairs_shown)
    with TemporaryDirectory() as folder:
        report, explorer = Path(folder) / "report.html", Path(folder) / "explorer.html"
        write_page(read_object(run / "summary.json", "report"), load_curves(run), shown, (), report)
        write_explorer(Explored(trajectories, problems, pairs, spans, None, params), explorer, report="index.html")
        return {page.stem: page.read_text(encoding="utf-8") for page in (report, explorer)}


def made_from() -> dict[str, str]:
    """Page → what decides how it looks.

    Of our pages it is the hash of the HTML. Prefect's and MLflow's need their servers: of these it is their version
    and the stages whose runs they list, so that other changes of what is recorded there go unnoticed.
    """
    ours = {name: sha256(html.encode()).hexdigest() for name, html in make_pages().items()}
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    stages = " ".join(stage_names(ROOT / "dvc.yaml"))
    theirs = {
        name: f"{name} {version}: {stages}" for name, version in re.findall(r"(?m)^(prefect|mlflow)==(\S+)", lock)
    }
    return ours | theirs
