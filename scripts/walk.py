"""Run the commands of a page in a fresh clone, and compare the printed lines with the lines on the page.

`make walk` walks through the tutorial. `python -m scripts.walk README.md` compares the README's table with the table
of this checkout's last `make demo`.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
_MARK = "@@ step "


class Step(NamedTuple):
    """A block of commands of a page.

    Attributes:
        commands: lines for a shell.
        shown: the lines that the page shows below it.
    """

    commands: str
    shown: list[str]


def read_steps(page: str) -> list[Step]:
    """Return the steps of a page: its blocks `sh`, each with the block `text` below it, and its blocks `yaml`.

    A block `yaml` is an edit of params.yaml.
    """
    steps: list[Step] = []
    for kind, block in re.findall(r"(?ms)^```(sh|yaml|text)\n(.*?)^```", page):
        if kind == "text":
            steps[-1].shown.extend(block.splitlines())
        elif kind == "yaml":
            steps.append(Step(f"python -m scripts.walk --edit <<'EOF'\n{block}EOF\n", []))
        else:
            steps.append(Step(block, []))
    return steps


def run_steps(steps: list[Step]) -> list[str]:
    """Run steps in a shell, in a fresh clone of this checkout's commit, and return what each has printed."""
    with TemporaryDirectory(prefix="iterpref-walk-") as folder:
        clone = Path(folder) / "iterpref"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        script = "make .venv/.installed-tests && . .venv/bin/activate || exit\n"
        for number, step in enumerate(steps):
            commands = step.commands.replace("/home/me/iterpref", str(clone))
            script += f'echo "{_MARK}{number}"\n{commands}\n'
        script += "kill $(jobs -p)\n"
        # The width of the tables on the page; models of the walk are next to the clone.
        variables = {**os.environ, "COLUMNS": "80", "HOME": folder}
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=clone,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        printed = done.stdout.decode("utf-8", "replace").replace(str(clone), "/home/me/iterpref").replace(folder, "~")
    return re.split(rf"(?m)^{_MARK}\d+\n", printed)[1:]


def unlike(shown: list[str], printed: str) -> Iterator[str]:
    """Yield the lines of a page that no command has printed, each with the nearest printed line; `…` is left out."""
    lines = {" ".join(line.split()): line for line in printed.splitlines() if line.strip()}
    for line in shown:
        words = " ".join(line.split())
        if words and words != "…" and words not in lines:
            alike = [other for other in lines if other.split()[0] == words.split()[0]]
            near = get_close_matches(words, alike or lines, n=1, cutoff=0.3)
            yield f"- {line}\n+ {lines[near[0]] if near else ''}"


def edit_params(text: str) -> None:
    """Write the values of a YAML text, such as `execution: {environments: {pricing: …}}`, into params.yaml."""
    from iterpref_core.records import parse_yaml
    from tasks.profiles import write_values

    for section, values in parse_yaml(text).items():
        write_values({f"{section}.{name}": value for name, value in values.items()})


def main(page: str) -> int:
    """Compare a page with what its commands print, and return 1 if a line differs."""
    if page == "--edit":
        edit_params(sys.stdin.read())
        return 0
    text = (ROOT / page).read_text(encoding="utf-8")
    if page == "README.md":
        shown = [block for block in re.findall(r"(?ms)^```\n(.*?)^```", text) if "pass@1" in block]
        done = subprocess.run(
            [ROOT / ".venv/bin/iterpref", "run"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        differing = list(unlike(shown[0].splitlines(), done.stdout))
    else:
        steps = read_steps(text)
        printed = run_steps(steps)
        differing = [line for step, output in zip(steps, printed, strict=False) for line in unlike(step.shown, output)]
        if len(printed) < len(steps):
            differing.append(f"only {len(printed)} of {len(steps)} steps began")
    print("\n".join(differing) or f"{page}: every line is as it is printed")
    return bool(differing)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
