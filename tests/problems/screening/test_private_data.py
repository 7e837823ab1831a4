"""Keys and addresses in data are found by their shapes, counted, and named; ordinary programs are taken."""

import json
from time import process_time

import pytest
from typer.testing import CliRunner

from iterpref_core.cli.app import app
from iterpref_core.pairs.ingestion.preference_pairs import ingest_pairs
from iterpref_core.pairs.ingestion.submissions import ingest_submissions
from iterpref_core.problems.ingestion.intake import Wanted
from iterpref_core.problems.screening.repeated_problems import check_problems
from iterpref_core.programs.source_code.private_data import find_private
from iterpref_core.records import InputError
from tests.command_line import hide_benchmarks
from tests.texts import PAIR, read_table, written

KEY = "AKIAJ2ZJQ5X3TFZ7Q6ZA"
PRIVATE = {
    f"aws_key = '{KEY}'": "secret",
    f"git clone https://ghp_{'a1B2' * 9}@github.com/a/b": "secret",
    "slack = 'xoxb-123456789012-abcdefGHIJ'": "secret",
    f"stripe.api_key = 'sk_live_{'4eC39HqLyjWD' * 2}'": "secret",
    f"client = OpenAI(api_key='sk-proj-{'Ab1_' * 12}')": "secret",
    f"login(token='hf_{'aBcDe' * 6}fGhI')": "secret",
    **{f"use('{start}{'a1B2c3D4' * 8}')": "secret" for start in ("gsk_", "r8_", "xai-", "pplx-", "dckr_pat_", "hvs.")},
    **{
        f"use('{start}{'0a1b2c3d' * 8}')": "secret"
        for start in ("dop_v1_", "shpat_", "dapi", "key-", "SK", "sk-or-v1-")
    },
    f"use('glrt-{'a1B2' * 5}', '1234567890:AA{'a1B' * 11}')": "secret",
    "password = 'hunter2isNotIt!9'": "secret",
    "# Ask jürgen@müller-gmbh.de.": "email",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn": "secret",
    f"jwt = 'eyJ{'hbGci' * 4}.eyJ{'zdWIi' * 4}.{'dBjft' * 4}'": "secret",
    "smtp.login(user, password='rNrKYTX9g7z3RgJRmxWu')": "secret",
    '{"client_secret": "Zx81-Kq0vLm2Np3Rt5Yw"}': "secret",
    'PASSWORD = "hunter2-Str0ng!pass"': "secret",
    'config = {"PASSWORD": "hunter2-Str0ng!pass"}': "secret",
    "password: str = b'Winter2024!'": "secret",
    f"SECRET_KEY = '{'9f86d081' * 4}'": "secret",
    f"API_KEY: str = '{'9f86d081' * 4}'": "secret",
    "SECRET_KEY = 'django-insecure-x7$k2m!q9w&e4r^t6y*u8i(o0p)'": "secret",
    f"headers = {{'Authorization': 'Bearer {'3f9a8b7c' * 4}'}}": "secret",
    "curl -H 'Authorization: Basic YWxhZGRpbjpvcGVuc2VzYW1l'": "secret",
    "url = 'postgres://admin:s3cr3tPazz@db.acme.io/prod'": "secret",
    "url = 'redis://:p4ssw0rdVery@cache:6379'": "secret",
    "# Ask jane.doe@acme-shop.com.": "email",
    'AUTHOR = "Jane <jane@acme.io>"': "email",
}
ORDINARY = r"""
def f(x):\n    return x + 1
mail = 'someone@example.com'
git clone git@github.com:a/b.git; open('https://jane@host.io/x')
product = weights@inputs.mean()
@pytest.mark.slow\ndef test(): pass
token = 'abc'; password = 'hunter2'; key = 'data.deep.deeper.values'
alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
digest = 'd41d8cd98f00b204e9800998ecf8427e'
key = lambda word: (len(word), word)  # the secret of the order
key = 'AKIAIOSFODNN7EXAMPLE'; token = 'someVeryLongCamelCaseKeyName2'
secret = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'
key = 'Form.Validation.MinLength8.Message'; password = os.environ['PASSWORD']
headers = {'Authorization': f'Bearer {token}', 'Other': 'Bearer YOUR_TOKEN_HERE', 'Third': 'Basic authentication'}
url = f'postgres://{user}:{password2024}@{host}/x'; SECRET_KEY = 'change-me-now'
assert is_valid_password('Abcdefg1!'); PASSWORD = '********'; password = 'validation.password.min8'
ip = '8.8.8.8'; day = '2024-01-31'
class Mask: pass\nsk = 'task-list-of-many-words-in-a-row-that-go-on'
"""


@pytest.mark.parametrize(("text", "reason"), PRIVATE.items())
def test_keys_and_addresses_are_found_and_never_shown_whole(text, reason):
    found = find_private(f"import os\n{text}\n")
    assert found.reason == reason
    assert len(found.beginning) <= 4


def test_ordinary_programs_hold_none():
    for (text,) in read_table(ORDINARY):
        assert find_private(text) is None, text


@pytest.mark.parametrize("value", ["eyJ", "://a:b", "Bearer ", "secret='"])
def test_long_values_take_linear_time(value):
    started = process_time()
    assert find_private(f"x = '{value * 40_000}'") is None
    assert process_time() - started < 2


PROBLEM = {"prompt": "Add one.", "reference": "def f(n):\n    return n + 1\n", "tests": ["assert f(1) == 2"]}


@pytest.mark.parametrize("field", PAIR)
def test_a_pair_with_a_key_is_left_out_by_name_wherever_it_stands_and_kept_if_the_user_says_so(tmp_path, field):
    private = PAIR | {field: f"{PAIR[field]}# {KEY}"}
    source = written(tmp_path / "in.jsonl", PAIR, private)
    out, dropped = tmp_path / "out.jsonl", tmp_path / "dropped.jsonl"
    assert ingest_pairs(Wanted([source]), out, dropped=dropped).counts == {"pairs": 1, "dropped/secret": 1}
    (row,) = map(json.loads, dropped.read_text().splitlines())
    assert row["explanation"] == "it seems to hold a key or password (AKIA…); --keep takes such rows"
    assert ingest_pairs(Wanted([source], keep=True), out).counts == {"pairs": 2, "kept/secret": 1}


def test_a_submission_with_a_key_is_left_out_by_name(tmp_path):
    base = {"task_id": "p", "prompt": "Do.", "passed": True}
    rows = [base | {"program": "x = 1\n"}, base | {"program": f"x = '{KEY}'\n"}]
    source = Wanted([written(tmp_path / "in.jsonl", *rows)])
    found = ingest_submissions(source, tmp_path / "out", tmp_path / "t", None)
    assert (found.counts["attempts"], found.counts["dropped/secret"]) == (1, 1)
    with pytest.raises(InputError, match=r"no problem to ingest \(1 secret;"):
        ingest_submissions(Wanted([written(tmp_path / "b", rows[1])]), tmp_path / "out", tmp_path / "t", None)


def test_check_reports_pairs_and_problems_with_private_data(tmp_path, monkeypatch):
    hide_benchmarks(monkeypatch)
    pairs = written(
        tmp_path / "p.jsonl",
        PAIR | {"task_id": "a"},
        PAIR | {"task_id": "c"},
        PAIR | {"task_id": "b", "chosen": f"x = '{KEY}'\n"},
    )
    ran = CliRunner().invoke(app, ["check", "--pairs", str(pairs), "--json"])
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout)
    assert (found["private/secret"], found["repeated"]) == (1, 1)
    private, left_out, repeated = (finding["text"] for finding in found["findings"])
    assert "--format trl --out OUT` leaves out 1 of 3 rows: 1 secret (it seems to hold a key" in left_out
    assert "such as b holds a key or password (AKIA…)" in private
    assert repeated.startswith("1 pairs repeat another")
    problem = {"task_id": "p", "prompt": "Ask jane@acme.io.", "tests": [{"kind": "io", "call": "f()", "expected": "1"}]}
    checked = check_problems([written(tmp_path / "problems.jsonl", problem)], [])
    assert checked.counts["private/email"] == 1
    assert "p holds an e-mail address (jan…)" in checked.findings[0]
