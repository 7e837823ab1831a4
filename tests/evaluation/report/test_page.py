"""The page as text: self-contained, escaped, complete, readable; and in a browser where there is one."""

import csv
import html
import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from urllib.parse import unquote

import pytest
from jinja2 import TemplateAssertionError, UndefinedError

from iterpref_core.evaluation.report.pair_view import templates
from iterpref_core.evaluation.report.summary_record import read_summary
from iterpref_core.records import CodeflowResult, PairsResult, ValidityResult
from tests.evaluation.report.conftest import PASSED, Experiment
from tests.settings import PARAMS, changed


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """The folder of a report, which the tests of this file look at."""
    folder = tmp_path_factory.mktemp("page")
    Experiment(folder).build(folder / "reports")
    return folder / "reports"


@pytest.fixture
def page(reports):
    return (reports / "index.html").read_text()


def words(page):
    """The text of a page, or of a part of it, with a blank between words."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", page)).split())


class _Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.stack = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "br"):
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag


@pytest.mark.parametrize(
    "form",
    ["record.gone", "record['gone']", "record.get('gone')", "'gone' in record", "'n' not in record",
     "record.gone is defined", "record.gone | default('')"],
)  # fmt: skip
def test_a_template_that_asks_a_record_for_a_missing_field_fails(form, reports):
    summary = read_summary(reports / "summary.json")
    for record in (summary, summary.codeflow, summary.localization, summary.models["sft"]["heldout"]):
        with pytest.raises((UndefinedError, TemplateAssertionError, TypeError)):
            templates().from_string(f"{{{{ {form} }}}}").render(record=record)


def test_page_is_well_formed_and_asks_for_nothing_outside_itself(page):
    elements = _Elements(page)
    assert elements.stack == []
    assert not {tag for tag, _ in elements.found} & {"script", "iframe", "img", "object", "base"}
    for _, attributes in elements.found:
        assert not attributes.keys() & {"src", "srcset", "onload", "onclick"}
        assert (attributes.get("href") or "#").startswith(("#", "data:", "explorer.html"))
    assert "url(" not in page
    assert "@import" not in page


def test_a_run_that_sampled_is_called_that_and_tasks_and_problems_that_were_inside_are_counted(experiment, tmp_path):
    experiment.mark_inside()
    experiment.build(tmp_path, params=changed(PARAMS, codeflow=changed(PARAMS.codeflow, source="sampling")))
    page = (tmp_path / "index.html").read_text()
    assert _Elements(page).stack == []
    assert "Sampling instead of CodeFlow" in page
    assert "solved up to each sample" in page
    assert "(draft)" not in page, "it has no refinements"
    text = words(page)
    assert "held-out: tests of 12 of 200 tasks ran in the program's own process" in text
    assert "run inside7 of 100" in text


def test_an_experiment_on_own_pairs_has_no_codeflow_and_is_about_the_first_benchmark(experiment, tmp_path):
    own = PairsResult(pairs=80, dropped={"unsolved": 0}, contaminated=4, own={"mine": {"pairs": 80, "contaminated": 4}})
    for name, result in {"codeflow": CodeflowResult(), "validity": ValidityResult(), "pairs": own}.items():
        (experiment.files.metrics / f"{name}.json").write_text(json.dumps(result.metrics()))
    for path in experiment.files.results.glob("*/results.json"):
        record = json.loads(path.read_text())
        del record["benchmarks"]["heldout"]
        path.write_text(json.dumps(record))
    experiment.build(tmp_path)
    text = words((tmp_path / "index.html").read_text())
    assert "Own pairs of mine: 80 taken, 4 left out: contaminated." in text
    assert "did not significantly change HumanEval pass@1" in text
    for absent in ("draft, execute, refine", "What the tests demand", "What became of the problems"):
        assert absent not in text


def test_links_lead_somewhere_tables_have_captions_and_headings_skip_no_level(page, reports):
    elements = _Elements(page).found
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes["href"] for tag, attributes in elements if tag == "a"]
    filters = {unquote(link.partition("#outcome=")[2]) for link in links if "#outcome=" in link}
    assert "explorer.html" in links
    assert {link for link in links if "#outcome=" not in link} <= {"explorer.html", *(f"#{name}" for name in ids)}
    _, _, data = (reports / "explorer.html").read_text().partition('id="data">')
    assert filters == json.loads(data.partition("</script>")[0])["totals"].keys(), "what training mended or broke"
    tags = [tag for tag, _ in elements]
    assert tags.count("table") == tags.count("caption")
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h[1-6]", tag)]
    assert (levels[0], levels.count(1)) == (1, 1)
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_page_shows_every_part_of_the_experiment(page):
    text = words(page)
    for expected in (
        "5.0 points above the best baseline, SFT on chosen (75.0%).",
        "MBPP, MBPP+ not measured:",
        "cosmetic",
        "Error regions were marked in 80 pairs",
        "wrong answer",
        "bubblewrap+landlock+seccomp",
        "0123abc",
        "target-rpo",
    ):
        assert expected in text
    assert page.count("set MBPP_OVERRIDE_PATH") == 1, "pairs were not checked against it for the same reason"
    assert "Not checked: mbpp, livecodebench (no file)." in text
    overlaps = page.partition('aria-label="Overlap with benchmarks"')[2].partition("</table>")[0]
    assert ("held/7" in overlaps, "humaneval" in overlaps) == (True, False), "pairs overlap with one"
    assert page.count('<article class="pair">') == PARAMS.report.pairs_shown
    assert page.count("<script") == 0


def test_the_page_has_the_length_of_answers_the_cut_ones_and_what_the_experiment_cost(rich_page):
    text = " ".join(rich_page.read_text().split())
    assert '<td role="cell" class="number" data-label="tokens">160 <small>4 cut</small></td>' in text
    # CodeFlow's 15,000, and of each of seven models 9,000 of prompts and 200 for each passed task.
    tokens = 15_000 + 7 * 9_000 + 200 * sum(PASSED.values())
    hours = "and its stages 0.75 hours on this machine; MLflow has the hours of each stage."
    assert f"took {tokens:,} tokens and $1.75, {hours}" in text


def test_the_page_has_what_was_mended_broken_and_kept_and_what_so_many_tasks_can_show(page):
    (row,) = re.findall(
        r"<tr role=\"row\">\s*<th[^>]*>DPO</th>.*?</tr>", page.partition("Other benchmarks")[0], re.DOTALL
    )
    assert "0 / 30" in words(row)
    assert '<a href="explorer.html#outcome=broken%20by%20DPO" aria-label="30 broken by DPO">30</a>' in row
    assert "57.1% 45.5% to 68.1%" in words(row), "kept"
    (size,) = re.findall(r"200 tasks: differences below about (.+) points stay undecided", page)
    assert 4 < float(size) < 8, "the distance to the end of an interval at the side of 0"


def test_the_table_has_every_score_and_comparison(rich_page):
    summary = json.loads(rich_page.with_name("summary.json").read_text())
    rows = csv.DictReader(rich_page.with_name("results.csv").read_text().splitlines())
    results = {(row["model"], row["benchmark"]): row for row in rows}
    live = results["dpo", "livecodebench"]
    assert [live[f"pass_at_5_ci95_{end}"] for end in ("low", "high")] == ["0.3", "0.6"]
    assert summary["models"]["dpo"]["livecodebench"]["pass_at_5_ci95"] == [0.3, 0.6]
    assert re.search(r"pass@5 [\d.]+%, 30.0% to 60.0%", rich_page.read_text())
    easy, compared = results["dpo", "livecodebench/easy"], summary["comparisons"]["dpo"]["base"]["livecodebench"]
    assert (easy["p_value"], float(results["dpo", "livecodebench"]["p_value"])) == ("", compared["p_value"])
    assert results["base", "heldout"]["p_value"] == ""
    heldout = results["dpo", "heldout"]
    kept = summary["comparisons"]["dpo"]["base"]["heldout"]["kept"]
    assert [float(heldout[name]) for name in ("kept", "kept_low", "kept_high")] == [kept["share"], *kept["ci95"]]
