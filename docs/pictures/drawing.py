"""Drawn pictures: results, pass rate, a pair and the stages as SVG, in light and dark, from recorded runs alone.

`python -m docs.pictures.drawing` writes them beside this file. The same records give the same bytes.
"""

import json
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from docs.pictures.stage_graph import BOX, WIDTH, lay_out
from iterpref_core.records import FocalSpans, PairShifts, PreferencePair
from iterpref_core.report import charts
from iterpref_core.report.labels import FOCAL, MAIN_BENCHMARK, MODELS, PAPER_PASS_RATES, in_order, model_name
from iterpref_core.report.number_formats import interval, percent, points
from iterpref_core.report.pair_view import legend, nats, style
from iterpref_core.report.token_colors import LEVELS, ColoredLine, choose_scale, color_lines, level, sum_changes
from iterpref_core.storage.jsonl import atomic_writer, read_jsonl

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
RECORDED = FOLDER / "run"
"""What pictures show of a run beyond its record in docs/demo_runs."""

_TEMPLATES = Environment(
    loader=FileSystemLoader(FOLDER / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_NAMES, _VALUES, _ROW = 118, 345, 28
"""Of the results: where the plot begins and ends, and a row's height."""
_CODE, _CHARACTER, _LINE, _BEFORE, _AFTER = 46, 7.2, 21, 448, 500
"""Of a pair: where code begins, the width of a character, the height of a line, and the ends of both columns."""
COLUMNS = int((_BEFORE - 48 - _CODE) / _CHARACTER)
"""Characters of code that fit into a line."""


def draw_all() -> dict[str, str]:
    """Every picture by its file's name."""
    runs = [json.loads(path.read_bytes()) for path in (ROOT / "docs/demo_runs").glob("*.json")]
    run = max(runs, key=lambda found: str(found["finished"]))
    pair = next(iter(read_jsonl(RECORDED / "drawn.jsonl", PreferencePair)))
    spans = next(item for item in read_jsonl(RECORDED / "focal.jsonl", FocalSpans) if item.task_id == pair.task_id)
    shifts = next(iter(read_jsonl(RECORDED / "shifts.jsonl", PairShifts)))
    drawn = {
        "results": _results(run),
        "pass-rate": _pass_rate(run),
        "pair": _pair(pair, spans, shifts),
        "stages": {"graph": (graph := lay_out(ROOT / "dvc.yaml")), "width": WIDTH, "height": graph.height, "box": BOX},
    }
    palettes = re.findall(r":root \{(.*?)\}", style(), re.DOTALL)
    return {
        f"{name}-{scheme}.svg": _TEMPLATES.get_template(f"{name}.svg").render(colors=" ".join(colors.split()), **values)
        for name, values in drawn.items()
        for scheme, colors in zip(("light", "dark"), palettes, strict=True)
    }


def _results(run: Mapping[str, Any]) -> dict[str, Any]:
    """A forest plot: gains over the untrained student, then of Target-RPO over what it is compared to."""
    summary = run["summary"]
    compared = {model: found for model, found in summary["comparisons"].items() if model != "debugger"}
    best = compared["target-rpo"]
    base = summary["models"]["base"][MAIN_BENCHMARK]
    groups = {
        f"over the student before training ({percent(base['pass_at_1'])})": {
            name: compared[name]["base"] for name in in_order(set(compared), MODELS)
        },
        "Target-RPO over": {name: best[name] for name in in_order(set(best) - {"base"}, MODELS)},
    }
    ends = [end for rows in groups.values() for found in rows.values() for end in found[MAIN_BENCHMARK]["ci95"]]
    low, high = 100 * float(min(*ends, 0)), 100 * float(max(*ends, 0))
    to_x = charts.linear_scale((low, high), (_NAMES, _VALUES))
    drawn, y = [], 58
    for heading, rows in groups.items():
        y += 20
        group: dict[str, Any] = {"heading": heading, "y": y, "rows": []}
        for name, found in rows.items():
            y += _ROW
            group["rows"].append(_result_row(name, found[MAIN_BENCHMARK], to_x) | {"y": y - 6})
        drawn.append(group)
        y += 10
    done = f"{base['n']:,} held-out problems; one training of each, run {run['commit']}"
    ticks = [(to_x(tick), f"{tick:g}".replace("-", "−")) for tick in charts.ticks(low, high) if low <= tick <= high]
    return {"groups": drawn, "ticks": ticks, "subtitle": done, "names": list(compared), "bottom": y, "height": y + 28,
            "width": 520}  # fmt: skip


def _result_row(name: str, found: Mapping[str, Any], to_x: Callable[[float], float]) -> dict[str, Any]:
    low, high = (to_x(100 * end) for end in found["ci95"])
    text = f"{points(found['difference'])} {interval(found['ci95'])}"
    return {"name": model_name(name), "style": name, "focal": name in FOCAL, "effect": to_x(100 * found["difference"]),
            "low": low, "high": high, "text": text}  # fmt: skip


def _pass_rate(run: Mapping[str, Any]) -> dict[str, Any]:
    """The cumulative share of problems solved, and the paper's."""
    found = run["summary"]["codeflow"]
    rates = {"ours": found["pass_rate_by_iteration"], "theirs": PAPER_PASS_RATES}
    names = {"ours": "this run", "theirs": "the paper"}
    lines = [charts.Series(names[key], key, tuple(enumerate(values))) for key, values in rates.items()]
    chart = charts.line_chart("", "iteration of CodeFlow (0 is the draft)", lines, (0, 1), lambda y: f"{100 * y:.0f}")
    assert chart is not None, "the paper's points are there"
    highest = [max(pair) for pair in zip_longest(*rates.values(), fillvalue=0.0)]
    drawn = [
        {"style": line.style, "name": line.name, "path": line.path}
        | {"dots": [(*dot, f"{100 * rate:.1f}", -11 if rate == top else 20)
                    for dot, rate, top in zip(line.dots, rates[line.style], highest, strict=False)]}
        for line in chart.lines
    ]  # fmt: skip
    told = f"{found['problems']} problems, {found['llm_calls']:,} calls of a model; run {run['commit']}"
    return {"chart": chart, "lines": drawn, "subtitle": told, "left": charts.LEFT, "right": charts.RIGHT,
            "bottom": charts.BOTTOM, "width": 450, "height": 290}  # fmt: skip


def _pair(pair: PreferencePair, spans: FocalSpans, shifts: PairShifts) -> dict[str, Any]:
    """Prompt, rejected program with its error region, chosen program, and each line's log-probability."""
    scale = choose_scale([shifts])
    prompt = textwrap.wrap(pair.prompt, 64)
    lines = [{"text": text, "y": 48 + 18 * place} for place, text in enumerate(prompt)]
    y = 48.0 + 18 * len(prompt) + 22
    sides = {
        "y-minus": ("Rejected y−; underlined: error region D−", pair.rejected, spans.rejected, shifts.rejected),
        "y-plus": ("Chosen y+; underlined: what differs", pair.chosen, spans.chosen, shifts.chosen),
    }
    programs = []
    for name, (title, text, marked, tokens) in sides.items():
        drawn = list(_lines(color_lines(text, marked, tokens, penalized=name == "y-minus"), y, scale))
        height = _LINE * len(drawn) + 12
        programs.append({"style": name, "title": title, "y": y, "height": height, "lines": drawn})
        y += height + 40
    region, kept = sum_changes(shifts.rejected, spans.rejected), sum_changes(shifts.chosen)
    notes = [
        "Columns: log π of a line's tokens before and after training by Target-RPO.",
        f"In all, log π of D− changed by {nats(region)} nats (K−), of y+ by {nats(kept)} (K+).",
    ]
    return {
        "pair": pair, "prompt": lines, "programs": programs, "legend": legend(scale), "notes": notes,
        "sums": " ".join(notes), "steps": range(-LEVELS, LEVELS + 1), "row": _LINE, "key_y": y - 12, "key_width": 54,
        "before_x": _BEFORE, "after_x": _AFTER, "width": 520, "height": y + 34 + 17 * len(notes),
    }  # fmt: skip


def _lines(lines: Sequence[ColoredLine], top: float, scale: float) -> Iterator[dict[str, Any]]:
    for line in lines:
        x, pieces = float(_CODE), []
        begun = [piece.token for piece in line.pieces if piece.token and piece.first]
        for piece in line.pieces:
            width = round(len(piece.text) * _CHARACTER, 1)
            step = level(piece.token.change, scale) if piece.token else 0
            pieces.append({"text": piece.text, "x": x, "width": width, "step": step, "marked": piece.marked})
            x = round(x + width, 1)
        yield {
            "number": line.number, "marked": line.marked, "pieces": pieces, "y": top + _LINE * line.number + 1,
            "before": nats(sum(token.before for token in begun)), "after": nats(sum(token.after for token in begun)),
        }  # fmt: skip


def write_all(folder: Path = FOLDER) -> None:
    """Write every picture into a folder."""
    for name, text in draw_all().items():
        with atomic_writer(folder / name) as file:
            file.write(text)


if __name__ == "__main__":
    write_all()
