"""Messages about bad input, read in the source: each says what is wrong and what to do, or passes another one on."""

import ast
import re
from functools import cache

import pytest

from scripts.import_graph import MODULES, parsed
from tests.settings import ROOT

pytestmark = pytest.mark.together("sources")  # parsed once

ADVICE = re.compile(r"; |\b(add|give|install|name|needs|set|such as|write)\b")
"""What to do follows a semicolon; or the message as a whole is an instruction, such as `give --tree or --seed-code`."""


def written(message):
    """Return the text of a message, with each inserted value as `{}`."""
    if isinstance(message, ast.Constant):
        return str(message.value)
    if isinstance(message, ast.JoinedStr):
        return "".join(written(part) for part in message.values)
    if isinstance(message, ast.BinOp):
        return written(message.left) + written(message.right)
    return "{}"


def classes():
    """Return the names of the classes of errors about input."""
    bases = {}
    for name in MODULES:
        for node in ast.walk(parsed(name)):
            if isinstance(node, ast.ClassDef):
                bases[node.name] = {ast.unparse(base) for base in node.bases}
    found = {"InputError"}
    while more := {name for name in bases.keys() - found if bases[name] & found}:
        found |= more
    return found


@cache
def messages():
    """Return (place in the source, text) of each message of an error about input."""
    names = classes()
    found = []
    for name, path in MODULES.items():
        for node in ast.walk(parsed(name)):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
                if ast.unparse(node.exc.func) in names:
                    found.append((f"{path.relative_to(ROOT)}:{node.lineno}", written(node.exc.args[0])))
    return found


def test_every_message_about_input_says_what_to_do():
    found = messages()
    assert len(found) > 200
    silent = [f"{where}: {text}" for where, text in found if not ADVICE.search(text) and not text.endswith("{}")]
    assert silent == []


def test_every_message_about_input_says_where():
    """A message begins with a file, an option or a parameter, or has the value that is refused in it."""
    nowhere = [
        f"{where}: {text}"
        for where, text in messages()
        if "{}" not in text and not re.search(r"--\w|\w[._]\w|^\w+:", text)
    ]
    assert nowhere == []


def test_no_message_shows_an_address_that_may_have_a_password():
    """Names that hold a server's address as the user gave it stand in no text by themselves."""
    addresses = {"url", "uri", "named", "server", "prefect", "tracking_uri"}
    found = []
    for name in MODULES:
        nodes = list(ast.walk(parsed(name))) if name.startswith(("tasks", "flows")) else []
        calls = [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) == "without_passwords"]
        covered = {inner for call in calls for inner in ast.walk(call)}
        for node in nodes:
            if isinstance(node, ast.FormattedValue) and node not in covered and ast.unparse(node.value) in addresses:
                found.append(f"{name}:{node.lineno}")
    assert found == []
