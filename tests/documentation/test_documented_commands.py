"""Commands and parameters in README and docs: verbs, options, stages and keys that exist."""

import re
from functools import cache

import typer.main

from flows.cli.app import app
from iterpref_core.records import read_yaml
from tests.settings import PARAMS, ROOT

PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("[!.]*/README.md")} - {ROOT / "CHANGELOG.md"})


def commands(text, program):
    """The words behind a program's name, in code, up to a comment or another command."""
    for block in re.findall(r"(?s)```.*?```|`[^`]+`", text):
        for line in re.findall(rf"(?m)(?:^|[\s`]){program} ([^\n`#|;&]+)", block.replace("\\\n", " ")):
            yield line.split()


@cache
def command_line():
    """The verbs and options as they are."""
    return typer.main.get_command(app)


def problems_of(words):
    """Of words behind `iterpref`: a verb that is not there, or options that it does not have."""
    command = command_line()
    for word in words:
        if not hasattr(command, "commands") or not re.fullmatch(r"[a-z][a-z-]*", word):
            break
        if word not in command.commands:
            return [f"no verb {word}"]
        command = command.commands[word]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    asked = {option for word in words for option in re.findall(r"^\[?(--[a-z][a-z-]*)", word)}
    return [f"{command.name} has no {option}" for option in sorted(asked - known - {"--help"})]


def test_verbs_and_options_are_there():
    for page in PAGES:
        found = [problems_of(words) for words in commands(page.read_text(), "iterpref")]
        assert [problem for problems in found for problem in problems] == [], page.name
    workflow = (ROOT / "docs/experiment-workflow.yaml").read_text()
    (gate,) = commands(f"```{workflow}```", "run: iterpref")
    assert problems_of(gate) == []


def test_modules_that_are_started_are_there():
    """`python -m NAME` in pages, stages and scripts, and `"-m", "NAME"` where Python starts it."""
    folders = ("benchmarks", "scripts", "flows", "tasks", "iterpref_core")
    paths = [ROOT / "Makefile", *PAGES, *ROOT.glob("*.yaml"), *ROOT.glob("config/*/*"), *ROOT.glob("docker/**/*.y*ml")]
    for folder in folders:
        paths += ROOT.glob(f"{folder}/**/*.py")
    name = rf"(?:{'|'.join(folders)}|iterpref_cli)\b[\w.]*\w"
    started = {}
    for path in paths:
        found = re.findall(rf'-m(?: |", ")({name})', path.read_text())
        started |= dict.fromkeys(found, path)
    assert len(started) > 7
    for module, path in started.items():
        place = ROOT / module.replace(".", "/")
        assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file(), (module, path)


def test_paths_in_the_makefile_are_there():
    text = (ROOT / "Makefile").read_text().replace("$(LOCKS)", "config/environments")
    named = set(re.findall(r"(?<![\w/.])(?:benchmarks|config|docker|docs|scripts|tests)/[\w./-]*\w", text))
    assert len(named) > 20
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_stages_are_there_and_forced_alone():
    """Without `--single-item` DVC runs everything again that a forced stage depends on, trainings included."""
    graph = read_yaml(ROOT / "dvc.yaml")["stages"]
    known = set(graph) | {f"{stage}@{item}" for stage in graph for item in graph[stage].get("foreach", ())}
    for page in PAGES:
        for words in commands(page.read_text(), "dvc repro"):
            assert {word for word in words if not word.startswith("-")} <= known, (page.name, words)
            assert "--force" not in words or "--single-item" in words, (page.name, words)


def test_parameters_are_there():
    params = PARAMS.model_dump()
    for page in PAGES:
        for key in re.findall(r"`([a-z_]+(?:\.[a-z_0-9-]+)+)(?=[`:=])", page.read_text()):
            found = params
            for part in key.split(".") if key.partition(".")[0] in params else ():
                # What is under a mapping without keys, or under null, is a user's or a library's to name.
                if not isinstance(found, dict) or not found:
                    break
                assert part in found, (page.name, key)
                found = found[part]
