"""In tier B a program can learn only what SECURITY.md lists about files and processes that it may not read."""

import errno

import pytest

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.records import IoTest
from tests.texts import read_table

LIMITS = Limits(cpu_s=2, wall_s=60)
HELPERS = """
import os
def error(action):
    try:
        action()
    except OSError as raised:
        return raised.errno
    return 0
def f():
    return {}
"""
IS_TOLD = {
    "a path exists": ("os.path.exists(SECRET), os.path.exists(SECRET + 'x')", (True, False)),
    "size": ("os.stat(SECRET).st_size", 6),
    "mode": ("oct(os.stat(SECRET).st_mode)", "0o100640"),
    "target of a link": ("os.readlink(LINK)", "secret"),
}
IS_REFUSED = """
contents | open(SECRET) | EACCES
names in a folder | os.listdir(FOLDER) | EACCES
names of attributes | os.listxattr(SECRET) | ENOTSUP
names of a link's attributes | os.listxattr(LINK, follow_symlinks=False) | ENOTSUP
attributes | os.getxattr(SECRET, 'user.note') | ENOTSUP
a link's attributes | os.getxattr(LINK, 'user.x', follow_symlinks=False) | ENOTSUP
priority of the zygote | os.getpriority(os.PRIO_PROCESS, os.getppid()) | EPERM
memory of a process | open(f'/proc/{os.getppid()}/maps') | EACCES
program of a process | os.readlink(f'/proc/{os.getppid()}/exe') | EACCES
command of a process | open(f'/proc/{os.getppid()}/cmdline') | EACCES
"""
ASKED = IS_TOLD | {
    name: (f"error(lambda: {call})", getattr(errno, number)) for name, call, number in read_table(IS_REFUSED)
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("outside")
    secret = folder / "secret"
    secret.write_text("canary")
    secret.chmod(0o640)
    (folder / "link").symlink_to("secret")
    return folder


@pytest.fixture(scope="module")
def executor():
    with Executor(LIMITS, workers=1, namespaces=False) as executor:
        yield executor


@pytest.mark.parametrize(("expression", "expected"), ASKED.values(), ids=ASKED)
def test_what_a_program_is_told(executor, folder, expression, expected):
    for name, path in (("SECRET", folder / "secret"), ("LINK", folder / "link"), ("FOLDER", folder)):
        expression = expression.replace(name, repr(str(path)))
    program = Program(HELPERS.format(expression), (IoTest(call="f()", expected=repr(expected)),))
    outcome = executor.run_one(program)
    assert (outcome.verdict, outcome.feedback) == ("passed", "")


def test_files_can_be_copied_with_their_attributes(executor):
    code = """
import os, shutil
def f():
    with open("a", "w") as file:
        file.write("x")
    shutil.copy2("a", "b")
    shutil.copytree(".", "c", ignore=shutil.ignore_patterns("c"))
    return sorted(os.listdir("."))
"""
    outcome = executor.run_one(Program(code, (IoTest(call="f()", expected="['a', 'b', 'c']"),)))
    assert (outcome.verdict, outcome.feedback) == ("passed", "")
