"""Find keys and e-mail addresses in texts, fast enough for every row of a large data set.

Only shapes that programming tasks do not have are looked for: keys of well-known services, private keys, random values
that are assigned to a `password` or `token`, and addresses. A text without a finding is not proven harmless. Before a
text goes to another machine, `privacy.reason_to_withhold` looks for more, which takes milliseconds a text.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel

from iterpref_core.records import Record

_SHAPES = {
    # AWS
    r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[0-9A-Z]{16}(?![A-Za-z0-9])": ("AKIA", "ASIA"),
    # GitHub, GitLab
    r"gh[opsur]_[A-Za-z0-9]{36}|github_pat_\w{50,}": ("gho_", "ghp_", "ghs_", "ghu_", "ghr_", "github_pat_"),
    r"glpat-[\w-]{20}": ("glpat-",),
    # Slack
    r"xox[abeoprs]-[\w-]{10,}|hooks\.slack\.com/services/T\w+/B\w+/\w+": ("xox", "hooks.slack.com"),
    # Stripe, SendGrid, Google, Azure
    r"[rs]k_live_[0-9A-Za-z]{24}": ("k_live_",),
    r"SG\.[\w-]{22}\.[\w-]{43}": ("SG.",),
    r"AIza[\w-]{35}": ("AIza",),
    r"AccountKey=[A-Za-z0-9+/]{86}==": ("AccountKey=",),
    # OpenAI and Anthropic, Hugging Face
    r"(?<!\w)sk-(?:(?:proj|ant|svcacct)-[\w-]{20,}|[A-Za-z0-9]{32,})": ("sk-",),
    r"(?<!\w)hf_[A-Za-z]{34}": ("hf_",),
    # Packages
    r"(?<!\w)npm_[A-Za-z0-9]{36}|pypi-Ag[\w-]{50,}": ("npm_", "pypi-Ag"),
    # JSON Web Tokens, private keys
    r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}": ("eyJ",),
    r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----": ("PRIVATE KEY",),
    # A value of 20 characters or more with small letters, capitals and digits, next to a name for secrets
    r"(?i:key|token|secret|passw(?:or)?d)[\"']?\]?\s*[:=]\s*[\"']"
    r"(?=[^\"']*\d)(?=[^\"']*[a-z])(?=[^\"']*[A-Z])[\w/+=.~-]{20,}[\"']": ("key", "token", "secret", "passw"),
}
"""Shape of a key → texts, in any case, and every key has one of them: a text without them is not searched."""
_MARKS = [(mark.lower(), re.compile(shape)) for shape, marks in _SHAPES.items() for mark in marks]
# A call, subscript or assignment does not follow an address: `x@app.get("/")` is a product of matrices.
_AT = re.compile(r"@((?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,})\b(?!\s*[(\[=]|\.\w)")
# `https://jane@host.io` names a user of a host, and `git@github.com:a/b` a repository.
_NAME = re.compile(r"(?<![\w.+/-])(?!git\Z)[A-Za-z0-9_.+-]+\Z")
_EXAMPLE_DOMAIN = re.compile(
    r"(?:^|\.)(?:example\.(?:com|net|org)|example|test|invalid|localhost|local)$",
    re.IGNORECASE,
)
_LONGEST_NAME = 65
"""One more than the most characters before the `@` of an address (RFC 5321)."""


class PrivateData(NamedTuple):
    """A finding.

    Attributes:
        reason: the kind.
        beginning: its first characters, so that a reader finds it.
    """

    reason: Literal["secret", "email"]
    beginning: str

    def __str__(self) -> str:
        """Return a sentence that shows no more than the beginning."""
        return f"{'a key or password' if self.reason == 'secret' else 'an e-mail address'} ({self.beginning}…)"


def find_email(text: str) -> PrivateData | None:
    """Return the first e-mail address, but for domains that are reserved for examples (RFC 2606).

    >>> str(find_email("# ask jane.doe@acme.io")), find_email("someone@example.com")
    ('an e-mail address (jan…)', None)
    """
    for domain in _AT.finditer(text) if "@" in text else ():
        start = domain.start()
        name = _NAME.search(text[max(0, start - _LONGEST_NAME) : start])
        if name and not _EXAMPLE_DOMAIN.search(domain[1]):
            return PrivateData("email", name[0][:3])
    return None


def find_private(text: str) -> PrivateData | None:
    """Return the first key in a text, else the first e-mail address; None if there is neither."""
    lowered = text.lower()
    for mark, shape in _MARKS:
        if mark in lowered:
            found = shape.search(text)
            if found:
                return PrivateData("secret", found[0][:4])
    return find_email(text)


def find_private_in(*records: Record | None) -> PrivateData | None:
    """Return the first key or address in the texts of records."""
    # A line break ends a value in each of the shapes.
    return find_private("\n".join(text for record in records for text in _texts(record)))


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in a value, at any depth."""
    if isinstance(value, BaseModel):
        value = vars(value)
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
