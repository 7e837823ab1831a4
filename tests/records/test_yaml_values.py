"""A value in a YAML file or of `--set` is the same to this project and to DVC, which both read params.yaml."""

import math
from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from iterpref_core.records import ConfigError, InputError, load_params, parse_yaml, read_yaml, with_values
from tasks.profiles import write_values
from tests.settings import PARAMS, ROOT

LOOKS = (
    "010",
    "0o17",
    "-0x1F",
    "0b11",
    "1_000",
    "yes",
    "Off",
    "1:30",
    "1:30.5",
    "1e-5",
    "+.5",
    "5.",
    ".inf",
    "~",
    "TRUE",
)
"""Texts that YAML 1.1 and 1.2 read differently, or that are more than texts to both."""


def of_dvc(text):
    """What DVC reads; a date without quotes is no text to DVC."""
    from dvc.utils.serialize import loads_yaml

    value = loads_yaml(f"value: {text}\n")["value"]
    return text.strip() if isinstance(value, date) else value


def same(left, right):
    both_nan = isinstance(left, float) and isinstance(right, float) and math.isnan(left) and math.isnan(right)
    return both_nan or (type(left) is type(right) and left == right)


@given(st.one_of(st.sampled_from(LOOKS), st.from_regex(r"[-+.0-9a-fnoxyEYN:_TtulrsI~]{1,9}", fullmatch=True)))
@example("2023-06-01")
def test_a_value_is_the_one_that_dvc_reads(text):
    try:
        expected = of_dvc(text)
    except Exception:  # noqa: BLE001 - some texts make its reader fail: -_ or 0x_
        return
    assert same(parse_yaml(f"value: {text}\n")["value"], expected), text


@given(
    st.one_of(
        st.sampled_from((*LOOKS, "2023-06-01", "2023-06-01T10:00:00", "<<", "=", "null", " x ", "#", "a: b")), st.text()
    )
)
@example(text="a\x85b\u2028c")  # Unicode's ends of lines
def test_a_text_that_is_written_into_params_yaml_is_read_as_this_text(tmp_path_factory, text):
    from dvc.utils.serialize import load_yaml

    if text != text.encode("utf-8", "replace").decode("utf-8"):
        return  # half of a surrogate pair, which no file of UTF-8 has
    path = tmp_path_factory.mktemp("params") / "params.yaml"
    path.write_text("profile: x\n")
    with pytest.MonkeyPatch.context() as patch:
        # To read and write all other parameters takes a tenth of a second.
        patch.setattr("tasks.profiles.load_params", lambda _: PARAMS)
        write_values({"profile": text}, path)
    assert read_yaml(path)["profile"] == text
    assert load_yaml(path)["profile"] == text


def test_a_day_is_a_text_with_quotes_and_without(tmp_path):
    path = tmp_path / "params.yaml"
    whole = (ROOT / "params.yaml").read_text()
    path.write_text(whole)
    write_values({"evaluation.livecodebench.until": "2024-01-31"}, path)
    assert load_params(path).evaluation.livecodebench.until == "2024-01-31"
    path.write_text(whole.replace('"2023-05-01"', "2023-06-01"))
    assert load_params(path).evaluation.livecodebench.since == "2023-06-01"
    path.write_text(whole.replace('"2023-05-01"', "2023-6-1T10:00:00Z"))
    with pytest.raises(InputError, match=r"livecodebench\.since: "):
        load_params(path)


@pytest.mark.parametrize("text", ["a: !!binary aGk=", "a: !!set {b}", "a: !!python/name:os 1", "{a: 1, a: 2}"])
def test_what_json_does_not_have_is_refused(tmp_path, text):
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(InputError, match=r"params.yaml.*not valid YAML"):
        read_yaml(tmp_path / "params.yaml")
    with pytest.raises(InputError, match="not valid YAML"):
        parse_yaml(text)


@pytest.mark.parametrize(
    ("first", "next_", "told"),
    [
        ("[x, x, x]", "[{0}]", "more than 1,000,000 values; write values out instead of using aliases"),
        ("{x: 1}", "{{<<: [{0}]}}", "more than 10,000 keys; merge fewer mappings"),
    ],
)
def test_few_aliases_that_stand_for_billions_of_values_are_refused(first, next_, told):
    lines = [f"a0: &a0 {first}"]
    for number in range(1, 12):
        lines.append(f"a{number}: &a{number} " + next_.format(", ".join([f"*a{number - 1}"] * 9)))
    with pytest.raises(InputError, match=told):
        parse_yaml("\n".join(lines))
    assert parse_yaml("a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: [*a, *a]")["b"] == {"x": 1, "y": 2}


def test_a_value_of_a_choice_is_refused_in_the_words_of_the_file():
    with pytest.raises(ConfigError, match=r"^training\.bf16: takes true, false or auto \(got 'yes'\)$"):
        with_values(PARAMS, {"training.bf16": "yes"})
    with pytest.raises(ConfigError, match=r"^localization: .* use dotted keys: localization.widen_lines$"):
        with_values(PARAMS, {"localization": {"widen_lines": 3}})
    assert with_values(PARAMS, {"training.bf16": False}).training.bf16 is False
    with pytest.raises(ConfigError, match=r"takes true, false or auto \(got 1\)"):
        with_values(PARAMS, {"training.bf16": 1})
    for value in (-1, 1.0, 0.5, float("nan"), "x", True, None, []):
        with pytest.raises(
            ConfigError, match=r"^pairs\.replay: takes all, none or a number, .*; all replaces 1.0 \(got .*\)$"
        ):
            with_values(PARAMS, {"pairs.replay": value})
