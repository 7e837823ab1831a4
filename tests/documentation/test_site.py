"""The hooks of the documentation site: the page of verbs, and the size of pages."""

import re
import runpy
from types import SimpleNamespace

import typer.main

from flows.cli.app import app
from tests.settings import ROOT

_COMMAND_LINE = runpy.run_path(str(ROOT / "scripts/command_line.py"))
_SITE_SIZE = runpy.run_path(str(ROOT / "scripts/site_size.py"))


def _verbs():
    return list(typer.main.get_command(app).commands.values())


def test_the_page_of_verbs_has_every_option_with_its_whole_help():
    text = _COMMAND_LINE["describe_verbs"]()
    sections = dict(re.findall(r"(?ms)^### iterpref (\w+)\n(.*?)(?=^##|\Z)", text))
    for verb in _verbs():
        section = sections[verb.name]
        assert verb.help in section
        rows = section.splitlines()
        for option in verb.params:
            assert any(row.startswith(f"| `{option.opts[0]}`") and option.help in row for row in rows), option.opts
    assert "…" not in text, "nothing is cut"
    elements = re.findall(r"<[^>]*>", text)
    assert elements == ['<div class="verbs" markdown>', "</div>"], "no placeholder is taken for an element of HTML"


def test_only_the_page_of_verbs_is_composed():
    def composed(name):
        text = (ROOT / "docs" / name).read_text()
        added = _COMMAND_LINE["on_page_markdown"](text, SimpleNamespace(file=SimpleNamespace(src_uri=name)))
        return added.removeprefix(text)

    assert composed("training.md") == ""
    assert "### iterpref train" in composed("reference/command-line.md")


def test_a_smaller_page_differs_in_white_space_around_line_breaks_alone():
    page = "<p>a \n\n b</p>\n\n<pre>a \n\n b</pre>\n <style>\n\n</style>"
    assert _SITE_SIZE["on_post_page"](page) == "<p>a\nb</p>\n<pre>a \n\n b</pre>\n<style>\n\n</style>"
