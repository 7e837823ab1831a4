"""Feature tree of the synthetic problems: kind of input x position x predicate x map x reduce.

A leaf has phrases for the instruction and a fragment of code for the reference. A problem takes one leaf of each
branch, or two map leaves, which are applied one after the other. To add a feature, add a leaf; to add a kind
of input, add an `InputKind`. Inspired by the feature trees that IterPref's problems are synthesized from (arXiv
2503.02783, section 3.1, after EpiCoder).
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Feature:
    """A leaf: a name, phrases with the same meaning, and a fragment of code with fields such as `{x}` (`InputKind`)."""

    name: str
    phrases: tuple[str, ...]
    code: str


@dataclass(frozen=True)
class InputKind:
    """A kind of input, such as a list of numbers, with the branches of its features.

    In code fragments `{p}` is the parameter, `{x}` the loop variable (`{k}` and `{v}` for a loop over two), and `{s}`
    the sequence from the step before.

    Attributes:
        name: name in a problem's features.
        those: words that join a predicate's phrase to the sentence.
        parameter: name of the parameter.
        loop: loop variable, such as `n` or `k, v`.
        positions: leaves that select items by position.
        predicates: leaves that select items by value.
        maps: leaves that change each item.
        reduces: leaves that make the result.
        edge_cases: arguments that every problem is tested on.
        draw: draws a random argument.
    """

    name: str
    those: str
    parameter: str
    loop: str
    positions: tuple[Feature, ...]
    predicates: tuple[Feature, ...]
    maps: tuple[Feature, ...]
    reduces: tuple[Feature, ...]
    edge_cases: tuple[object, ...]
    draw: Callable[[Random], object]


def _feature(name: str, code: str, *phrases: str) -> Feature:
    return Feature(name, phrases, code)


def _draw_numbers(random: Random) -> list[int]:
    return [random.randint(-9, 20) for _ in range(random.randint(4, 7))]


def _draw_text(random: Random) -> str:
    alphabet = "aabcdeefghiklmnooprstuABCDEORST0123579  _-"
    return "".join(random.choice(alphabet) for _ in range(random.randint(5, 9)))


def _draw_table(random: Random) -> dict[str, int]:
    keys = ("a", "b", "fig", "kiwi", "pear", "Plum", "Lime", "apple", "mango", "ox", "Elm", "onion", "c3", "d4")
    chosen = random.sample(keys, random.randint(3, 5))
    return {key: random.randint(-5, 15) for key in chosen}


NUMBERS = InputKind(
    name="numbers",
    those="those that are",
    parameter="nums",
    loop="n",
    positions=(
        _feature("all", "{p}[:]", "all numbers", "every number", "the whole list"),
        _feature("even_places", "{p}[::2]", "every second number", "the numbers at even places"),
        _feature("odd_places", "{p}[1::2]", "the numbers at odd places", "every other number from the second on"),
        _feature("not_first", "{p}[1:]", "all but the first number", "everything after the first number"),
        _feature("not_last", "{p}[:-1]", "all but the last number", "everything before the last number"),
        _feature("backwards", "{p}[::-1]", "the numbers backwards", "the list in reverse"),
        _feature("first_four", "{p}[:4]", "the first four numbers", "the leading four numbers"),
        _feature("last_four", "{p}[-4:]", "the last four numbers", "the final four numbers"),
        _feature("sorted", "sorted({p})", "the numbers in rising order", "the sorted list"),
        _feature("distinct", "list(dict.fromkeys({p}))", "the distinct numbers", "each number once"),
    ),
    predicates=(
        _feature("even", "{x} % 2 == 0", "even", "divisible by two"),
        _feature("odd", "{x} % 2 == 1", "odd", "not divisible by two"),
        _feature("positive", "{x} > 0", "positive", "above zero"),
        _feature("negative", "{x} < 0", "negative", "below zero"),
        _feature("above_three", "{x} > 3", "greater than three", "above three"),
        _feature("above_seven", "{x} > 7", "greater than seven", "above seven"),
        _feature("below_five", "{x} < 5", "less than five", "below five"),
        _feature("below_ten", "{x} < 10", "less than ten", "below ten"),
        _feature("multiple_of_three", "{x} % 3 == 0", "multiples of three", "divisible by three"),
        _feature("multiple_of_five", "{x} % 5 == 0", "multiples of five", "divisible by five"),
        _feature("nonzero", "{x} != 0", "not zero", "nonzero"),
        _feature("small", "abs({x}) < 6", "of size under six", "closer to zero than six"),
    ),
    maps=(
        _feature("double", "{x} * 2", "double each", "multiply each by two"),
        _feature("triple", "{x} * 3", "triple each", "multiply each by three"),
        _feature("square", "{x} * {x}", "square each", "multiply each by itself"),
        _feature("plus_one", "{x} + 1", "add one to each", "raise each by one"),
        _feature("minus_two", "{x} - 2", "subtract two from each", "lower each by two"),
        _feature("negate", "-{x}", "negate each", "flip the sign of each"),
        _feature("absolute", "abs({x})", "make each absolute", "drop the sign of each"),
        _feature("half", "{x} // 2", "halve each rounding down", "divide each by two rounding down"),
        _feature("last_digit", "{x} % 10", "take each modulo ten", "keep each modulo ten"),
        _feature("at_least_two", "max({x}, 2)", "raise each to at least two", "lift those under two to two"),
    ),
    reduces=(
        _feature("sum", "sum({s})", "the sum", "the total"),
        _feature("count", "len({s})", "the count", "how many there are"),
        _feature("largest", "max({s}, default=0)", "the largest or 0", "the maximum or 0"),
        _feature("smallest", "min({s}, default=0)", "the smallest or 0", "the minimum or 0"),
        _feature("list", "{s}", "the list", "them as a list"),
        _feature("sorted", "sorted({s})", "them sorted", "them in rising order"),
        _feature("falling", "sorted({s}, reverse=True)", "them in falling order", "them sorted from the top"),
        _feature("distinct_count", "len(set({s}))", "the count of distinct ones", "how many differ"),
        _feature("first", "next(iter({s}), 0)", "the first or 0", "the first one, 0 if none"),
        _feature("two_smallest", "sorted({s})[:2]", "the two smallest", "the lowest two in order"),
        _feature("range", "max({s}, default=0) - min({s}, default=0)", "the range", "the largest minus the smallest"),
        _feature("any_big", "any({x} > 9 for {x} in {s})", "whether any is above nine", "if one exceeds nine"),
    ),
    edge_cases=([], [0], [-3, -3, 4]),
    draw=_draw_numbers,
)

TEXT = InputKind(
    name="text",
    those="those that are",
    parameter="text",
    loop="c",
    positions=(
        _feature("all", "list({p})", "all characters", "every character"),
        _feature("even_places", "{p}[::2]", "every second character", "the characters at even places"),
        _feature("odd_places", "{p}[1::2]", "the characters at odd places", "every other one from the second on"),
        _feature("not_first", "{p}[1:]", "all but the first character", "everything after the first character"),
        _feature("not_last", "{p}[:-1]", "all but the last character", "everything before the last character"),
        _feature("backwards", "{p}[::-1]", "the characters backwards", "the text in reverse"),
        _feature("sorted", "sorted({p})", "the characters in order", "the sorted characters"),
        _feature("distinct", "dict.fromkeys({p})", "the distinct characters", "each character once"),
    ),
    predicates=(
        _feature("letter", "{x}.isalpha()", "letters", "alphabetic"),
        _feature("digit", "{x}.isdigit()", "digits", "numeric"),
        _feature("upper", "{x}.isupper()", "upper case", "capital letters"),
        _feature("lower", "{x}.islower()", "lower case", "small letters"),
        _feature("vowel", "{x} in 'aeiou'", "small vowels", "one of aeiou"),
        _feature("not_vowel", "{x} not in 'aeiou'", "not small vowels", "none of aeiou"),
        _feature("not_space", "{x} != ' '", "not blank", "other than blanks"),
        _feature("alphanumeric", "{x}.isalnum()", "letters or digits", "alphanumeric"),
        _feature("before_m", "{x} < 'm'", "before m", "smaller than m"),
        _feature("not_digit", "not {x}.isdigit()", "not digits", "other than digits"),
    ),
    maps=(
        _feature("upper", "{x}.upper()", "put each in upper case", "capitalize each"),
        _feature("lower", "{x}.lower()", "put each in lower case", "make each small"),
        _feature("double", "{x} * 2", "double each", "write each twice"),
        _feature("swap", "{x}.swapcase()", "swap the case of each", "invert the case of each"),
        _feature("dash", "{x} + '-'", "add a dash to each", "put a dash after each"),
        _feature("star", "'*' + {x}", "put a star before each", "prefix each with a star"),
        _feature("blank_e", "{x}.replace('e', ' ')", "blank out each e", "replace each e by a blank"),
        _feature("hide_a", "{x}.replace('a', '@')", "write @ for each a", "replace each a by @"),
    ),
    reduces=(
        _feature("join", "''.join({s})", "them joined", "the joined text"),
        _feature("join_comma", "','.join({s})", "them joined by commas", "the comma separated text"),
        _feature("count", "len({s})", "the count", "how many there are"),
        _feature("list", "{s}", "the list", "them as a list"),
        _feature("sorted_join", "''.join(sorted({s}))", "them sorted and joined", "the joined text in order"),
        _feature("backwards_join", "''.join({s}[::-1])", "them joined backwards", "the joined text reversed"),
        _feature("distinct_count", "len(set({s}))", "the count of distinct ones", "how many differ"),
        _feature("first", "next(iter({s}), '')", "the first or an empty text", "the first one, empty if none"),
        _feature("largest", "max({s}, default='')", "the largest or an empty text", "the maximum, empty if none"),
        _feature("smallest", "min({s}, default='')", "the smallest or an empty text", "the minimum, empty if none"),
    ),
    edge_cases=("", "a", "Eel 42"),
    draw=_draw_text,
)

TABLE = InputKind(
    name="table",
    those="those",
    parameter="table",
    loop="k, v",
    positions=(
        _feature("all", "{p}.items()", "all entries", "every entry"),
        _feature("by_key", "sorted({p}.items())", "the entries sorted by key", "the entries in key order"),
        _feature("backwards", "list({p}.items())[::-1]", "the entries backwards", "the entries in reverse"),
        _feature("not_first", "list({p}.items())[1:]", "all but the first entry", "everything after the first entry"),
        _feature("not_last", "list({p}.items())[:-1]", "all but the last entry", "everything before the last entry"),
        _feature("first_three", "list({p}.items())[:3]", "the first three entries", "the leading three entries"),
    ),
    predicates=(
        _feature("value_positive", "{v} > 0", "with a positive value", "whose value is above zero"),
        _feature("value_negative", "{v} < 0", "with a negative value", "whose value is below zero"),
        _feature("value_even", "{v} % 2 == 0", "with an even value", "whose value is even"),
        _feature("value_odd", "{v} % 2 == 1", "with an odd value", "whose value is odd"),
        _feature("value_above_four", "{v} > 4", "with a value above four", "whose value is more than four"),
        _feature("value_below_eight", "{v} < 8", "with a value below eight", "whose value is less than eight"),
        _feature("key_short", "len({k}) < 4", "with a key under four letters", "whose key is short"),
        _feature("key_long", "len({k}) > 3", "with a key over three letters", "whose key is long"),
        _feature("key_lower", "{k}.islower()", "with a lower case key", "whose key is in lower case"),
        _feature("key_has_a", "'a' in {k}", "with an a in the key", "whose key contains a"),
    ),
    maps=(
        _feature("double", "({k}, {v} * 2)", "double each value", "multiply each value by two"),
        _feature("plus_one", "({k}, {v} + 1)", "add one to each value", "raise each value by one"),
        _feature("minus_three", "({k}, {v} - 3)", "subtract three from each value", "lower each value by three"),
        _feature("negate", "({k}, -{v})", "negate each value", "flip the sign of each value"),
        _feature("absolute", "({k}, abs({v}))", "make each value absolute", "drop the sign of each value"),
        _feature("square", "({k}, {v} * {v})", "square each value", "multiply each value by itself"),
        _feature("upper_key", "({k}.upper(), {v})", "put each key in upper case", "capitalize each key"),
        _feature("dash_key", "({k} + '-', {v})", "add a dash to each key", "put a dash after each key"),
        _feature("key_start", "({k}[:2], {v})", "cut each key to two letters", "shorten each key to two letters"),
    ),
    reduces=(
        _feature("dict", "dict({s})", "a dictionary", "them as a dictionary"),
        _feature("sum", "sum({v} for {k}, {v} in {s})", "the sum of the values", "the total of the values"),
        _feature("keys", "[{k} for {k}, {v} in {s}]", "the keys", "the list of keys"),
        _feature("values", "[{v} for {k}, {v} in {s}]", "the values", "the list of values"),
        _feature("count", "len({s})", "the count", "how many there are"),
        _feature(
            "largest",
            "max(({v} for {k}, {v} in {s}), default=0)",
            "the largest value or 0",
            "the top value or 0",
        ),
        _feature("pairs", "{s}", "the pairs", "them as pairs"),
        _feature("sorted_pairs", "sorted({s})", "the sorted pairs", "the pairs in order"),
        _feature("swap", "{{{v}: {k} for {k}, {v} in {s}}}", "values mapped to keys", "a table from value to key"),
        _feature("join_keys", "''.join({k} for {k}, {v} in {s})", "the joined keys", "all keys as one text"),
    ),
    edge_cases=({}, {"a": 0}, {"kiwi": 7, "Elm": -2}),
    draw=_draw_table,
)

KINDS = (NUMBERS, TEXT, TABLE)
