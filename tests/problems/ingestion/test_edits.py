"""Logs of edits in public layouts become pairs of functions by one command."""

import json
import subprocess
from difflib import unified_diff

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from iterpref_core.cli.app import app
from iterpref_core.pairs.ingestion.edits import changed_functions
from iterpref_core.problems.ingestion.columns import parse_columns
from iterpref_core.records import PreferencePair
from iterpref_core.storage.jsonl import read_jsonl
from tests.texts import written

BUGGY = '''import math

LIMIT = 3


def area(r):
    """Return the area of a circle."""
    return math.pi * r


class Stack:
    def push(self, item):
        self.items.insert(0, item)
        return len(self.items)

    def top(self):
        return self.items[-1]
'''
AREA = ("    return math.pi * r\n", "    return math.pi * r**2\n")
PUSH = ("        self.items.insert(0, item)\n", "        self.items.append(item)\n")
FIXED = BUGGY.replace(*AREA).replace(*PUSH)
PATH = "src/shapes.py"
DIFF = f"""diff --git a/{PATH} b/{PATH}
--- a/{PATH}
+++ b/{PATH}
@@ -5,7 +5,7 @@ LIMIT = 3
 
 def area(r):
     \"\"\"Return the area of a circle.\"\"\"
-{AREA[0]}+{AREA[1]} 
 
 class Stack:
@@ -11,5 +11,5 @@
 class Stack:
     def push(self, item):
-{PUSH[0]}+{PUSH[1]}         return len(self.items)
 
diff --git a/README.md b/README.md
--- a/README.md
+++ b/README.md
@@ -1 +1 @@
-Old.
+New.
"""  # noqa: W291, W293
BLOCKS = "".join(f"{PATH}\n<<<<<<< SEARCH\n{old}=======\n{new}>>>>>>> REPLACE\n\n" for old, new in (AREA, PUSH))
BACK = "".join(
    line.translate(
        str.maketrans("+-", "-+"),
    )
    if line[:1] in "+-" and line[:3] not in ("+++", "---")
    else line
    for line in DIFF.splitlines(keepends=True)
)


def assistant(*calls):
    """Messages of OpenAI's API with calls of tools, each followed by what the tool says."""
    messages = [{"role": "user", "content": "Mend shapes.py."}]
    for call in calls:
        function = {"name": "edit", "arguments": json.dumps(call)}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [{"type": "function", "function": function}]},
            {"role": "tool", "content": f"edited:\n{DIFF}"},
        ]
    return messages


def blocks_of(*inputs):
    """Messages of Anthropic's API: blocks of text and of uses of tools."""
    return [
        {"role": "assistant", "content": [{"type": "text", "text": "So:"}, {"type": "tool_use", "input": each}]}
        for each in inputs
    ]


XML = "".join(
    f"I edit.\n<function=str_replace_editor>\n<parameter=command>str_replace</parameter>\n"
    f"<parameter=path>/testbed/{PATH}</parameter>\n<parameter=old_str>\n{old}</parameter>\n"
    f"<parameter=new_str>\n{new}</parameter>\n</function>\n"
    for old, new in (AREA, PUSH)
)
REPLACED = [
    {"command": "str_replace", "path": f"/repo/{PATH}", "old_str": old, "new_str": new} for old, new in (AREA, PUSH)
]
EDITED = [{"file_path": f"/home/me/{PATH}", "old_string": old, "new_string": new} for old, new in (AREA, PUSH)]
SWE_BENCH = {"instance_id": "shapes-1", "repo": "acme/shapes", "problem_statement": "Areas are wrong."}
LAYOUTS = {
    "files before and after": ({"before": {PATH: BUGGY, "b.py": "x = 1\n"}, "after": {PATH: FIXED, "c.py": ""}}, None),
    "a file and its diff": (
        {"old_contents": BUGGY, "diff": DIFF, "path": PATH},
        "before=old_contents,edit=diff,path=path",
    ),
    "SEARCH/REPLACE": ({"before": BUGGY, "blocks": BLOCKS}, None),
    "calls that write files": (
        {"messages": assistant(*({"path": PATH, "content": text} for text in (BUGGY, FIXED)))},
        None,
    ),
    "calls that replace text": ({"before": {PATH: BUGGY}, "messages": json.dumps(assistant(*REPLACED))}, None),
    "uses of Anthropic's tools": ({"before": {PATH: BUGGY}, "messages": blocks_of(*EDITED)}, None),
    "several edits in a call": (
        {
            "before": {PATH: BUGGY},
            "messages": blocks_of(
                {
                    "file_path": PATH,
                    "edits": [{name: each[name] for name in ("old_string", "new_string")} for each in EDITED],
                }
            ),
        },
        None,
    ),
    "calls in the text of SWE-agent": (
        {"before": {PATH: BUGGY}, "messages": [{"role": "assistant", "content": XML}]},
        None,
    ),
    "SWE-bench": (SWE_BENCH | {"patch": DIFF, "base_commit": "HEAD~1"}, "edit=patch"),
    "SWE-smith": (SWE_BENCH | {"repo": "swesmith/shapes", "patch": BACK}, "bug=patch"),
    "a diff without prefixes": ({"before": {PATH: BUGGY}, "diff": DIFF.replace(" a/", " ").replace(" b/", " ")}, None),
    "a reversed diff": (
        {"before": {PATH: BUGGY}, "diff": DIFF.replace(" a/", " c/").replace(" b/", " a/")},
        None,
    ),
}


@pytest.fixture(scope="module")
def clones(tmp_path_factory):
    """A folder with one clone: the file is buggy, and mended in a second commit."""
    folder = tmp_path_factory.mktemp("clones")
    git = ["git", "-C", folder / "shapes", "-c", "user.name=a", "-c", "user.email=a@b.example"]
    (folder / "shapes/src").mkdir(parents=True)
    subprocess.run([*git, "init", "--quiet"], check=True)
    for text in (BUGGY, FIXED):
        (folder / "shapes" / PATH).write_text(text)
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "--quiet", "--message", "a"], check=True)
    return folder


def ingest(folder, clones, row, columns=None):
    """Return the pairs of a row, and the parts that are left out, with their reasons."""
    words = ["ingest", written(folder / "in.jsonl", row), "--format", "edits", "--out", folder / "out.jsonl", "--json"]
    words += ["--dropped", folder / "dropped.jsonl", "--repositories", clones]
    ran = CliRunner().invoke(app, [*map(str, words), *(["--columns", columns] if columns else [])])
    lines = (folder / "dropped.jsonl").read_text().splitlines()
    pairs = list(read_jsonl(folder / "out.jsonl", PreferencePair)) if ran.exit_code == 0 else []
    return pairs, [(each["reason"], each["explanation"]) for each in map(json.loads, lines)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_changed_function_is_a_pair_in_the_order_of_the_file(tmp_path, clones, layout):
    pairs, dropped = ingest(tmp_path, clones, *LAYOUTS[layout])
    assert dropped == []
    area, push = pairs
    assert area.rejected == 'def area(r):\n    """Return the area of a circle."""\n    return math.pi * r\n'
    assert area.chosen == area.rejected.replace(*AREA)
    assert push.rejected == "def push(self, item):\n    self.items.insert(0, item)\n    return len(self.items)\n"
    assert push.chosen == "def push(self, item):\n    self.items.append(item)\n    return len(self.items)\n"
    assert f"```python\n{push.rejected.rstrip()}\n```" in push.prompt
    if layout.startswith("SWE"):
        assert push.prompt.startswith("Areas are wrong.\n\n")
        assert (push.task_id, push.problem_id) == (f"shapes-1/{PATH}:Stack.push", "shapes-1")


ROW = {"before": BUGGY}
NEW = "\n\ndef twice(x):\n    return 2 * x\n"
INSERTION = blocks_of({"command": "insert", "path": PATH, "insert_line": 3, "new_str": "x"})
LEFT_OUT = {
    "a new function": (
        ROW | {"after": BUGGY.replace(*AREA) + NEW},
        ["area"],
        ("no_counterpart", ": twice is not defined once before and after"),
    ),
    "a function that is gone": (
        ROW | {"before": BUGGY + NEW, "after": FIXED},
        ["area", "push"],
        ("no_counterpart", ": twice is not defined once before and after"),
    ),
    "two of one name": (
        ROW | {"before": BUGGY + NEW * 2, "after": FIXED + NEW + NEW.replace("2", "3")},
        ["area", "push"],
        ("no_counterpart", ": twice is not defined once before and after"),
    ),
    "another file's diff": (
        ROW | {"before": FIXED, "path": PATH, "diff": DIFF},
        [],
        ("does_not_apply", f"{PATH}: not one place has the text to replace, '\\ndef area(r):"),
    ),
    "an ambiguous text": (
        ROW | {"before": BUGGY * 2, "blocks": BLOCKS},
        [],
        ("does_not_apply", f": not one place has the text to replace, {AREA[0]!r}"),
    ),
    "a cut diff": (
        ROW | {"diff": DIFF.partition("         return len")[0]},
        [],
        ("bad_record", "UnidiffParseError: Hunk is shorter than expected"),
    ),
    "an insertion at a line": (ROW | {"messages": INSERTION}, [], ("does_not_apply", ": not one place")),
    "no Python before": (ROW | {"before": "def f(:\n", "after": BUGGY}, [], ("not_python", ": invalid syntax (")),
    "no Python after": (ROW | {"after": "x = (\n"}, [], ("not_python", ": '(' was never closed (")),
    "an edit outside of functions": (ROW | {"after": BUGGY.replace("3", "4")}, [], ("no_function", "no function has")),
    "no edit": (ROW | {"patch": DIFF}, [], ("no_function", "name the columns of before and edit, or --repositories")),
    "an edit that only a tool tells": (
        ROW | {"messages": assistant()[:1] + assistant({})[2:]},
        [],
        ("no_function", ""),
    ),
    "no file": ({"diff": DIFF, "repo": "acme/absent"}, [], ("no_function", "")),
    "a fix that changes no code": (
        ROW | {"after": BUGGY.replace("return math", "return  math")},
        [],
        ("cosmetic", ""),
    ),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_what_gives_no_pair_is_left_out_with_its_reason(tmp_path, clones, case):
    row, functions, (reason, explanation) = LEFT_OUT[case]
    pairs, ((told, words),) = ingest(tmp_path, clones, row)
    assert [pair.chosen.partition("(")[0] for pair in pairs] == [f"def {name}" for name in functions]
    assert told == reason
    assert explanation in words


CHANGED = st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=6, unique_by=lambda each: each[0])


@settings(max_examples=30)
@given(CHANGED.filter(lambda functions: any(changed for _, changed in functions)))
def test_any_changed_functions_come_in_the_order_of_the_file_from_a_diff_as_from_the_files(functions):
    before = "".join(f"def {name}(x):\n    return x\n\n\n" for name, _ in functions)
    after = "".join(f"def {name}(x):\n    return {'-' * changed}x\n\n\n" for name, changed in functions)
    diff = "".join(unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), "a/f.py", "b/f.py"))
    wanted = [f"def {name}" for name, changed in functions if changed]
    for row in ({"before": before, "after": after}, {"before": before, "edit": diff}):
        found = changed_functions(row, parse_columns(None, "edits"), None)
        assert [each["fixed"].partition("(")[0] for each in found] == wanted
