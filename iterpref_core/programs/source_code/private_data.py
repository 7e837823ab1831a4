"""Find keys and e-mail addresses in texts, fast enough for every row of a large data set.

Only shapes that programming tasks do not have are looked for: keys of well-known services, private keys, random values
that are assigned to a `password` or `token`, headers with one, and e-mail addresses. A text without a finding is
not proven harmless.
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
    r"gl(?:pat|rt)-[\w-]{20}": ("glpat-", "glrt-"),
    # Slack
    r"xox[abeoprs]-[\w-]{10,}|hooks\.slack\.com/services/T\w+/B\w+/\w+": ("xox", "hooks.slack.com"),
    # Stripe, SendGrid, Google, Azure
    r"[rs]k_live_[0-9A-Za-z]{24}": ("k_live_",),
    r"SG\.[\w-]{22}\.[\w-]{43}": ("SG.",),
    r"AIza[\w-]{35}|GOCSPX-[\w-]{28}": ("AIza", "GOCSPX-"),
    r"AccountKey=[A-Za-z0-9+/]{86}==": ("AccountKey=",),
    # OpenAI and Anthropic, Hugging Face
    r"(?<!\w)sk-(?:(?:proj|ant|svcacct|or-v1)-[\w-]{20,}|[A-Za-z0-9]{32,})": ("sk-",),
    r"(?<!\w)hf_[A-Za-z]{34}": ("hf_",),
    # Groq, Replicate, xAI, Perplexity, Linear, Notion
    r"(?<!\w)(?:gsk_|r8_|xai-|pplx-|lin_api_|ntn_|secret_)[A-Za-z0-9]{37,}": (
        *("gsk_", "r8_", "xai-", "pplx-", "lin_api_", "ntn_", "secret_"),
    ),
    # Packages, Docker Hub, Vault, Figma
    r"(?<!\w)npm_[A-Za-z0-9]{36}|pypi-Ag[\w-]{50,}": ("npm_", "pypi-Ag"),
    r"(?<!\w)(?:dckr_pat_|hvs\.|figd_)(?=[\w-]*\d)[\w-]{24,}": ("dckr_pat_", "hvs.", "figd_"),
    # DigitalOcean, Shopify, Databricks, Mailgun, Twilio
    r"(?<!\w)(?:do[opr]_v1_|shp(?:at|ca|pa|ss)_|dapi|key-)[0-9a-f]{32}": (
        *("_v1_", "shpat_", "shpca_", "shppa_", "shpss_", "dapi", "key-"),
    ),
    r"SK[0-9a-f]{32}": ("SK",),
    # Square, Telegram, Discord, age
    r"(?<!\w)(?:sq0(?:atp|csp)-[\w-]{22}|EAAA[\w-]{60})": ("sq0", "EAAA"),
    r"(?<!\w)\d{8,10}:AA[\w-]{33}": (":AA",),
    r"(?<![\w.-])[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27,38}(?![\w-])": ("discord",),
    r"AGE-SECRET-KEY-1[0-9A-Z]{58}": ("AGE-SECRET-KEY-1",),
    # JSON Web Tokens, private keys
    r"(?<![\w-])eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}": ("eyJ",),
    r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----": ("PRIVATE KEY",),
    # A value of 20 characters or more with small letters, capitals and digits, next to a name for secrets
    r"(?i:key|token|secret|passw(?:or)?d)[\"']?\]?\s*[:=]\s*[\"']"
    r"(?=[^\"']*\d)(?=[^\"']*[a-z])(?=[^\"']*[A-Z])[\w/+=.~-]{20,}[\"']": ("key", "token", "secret", "passw"),
    # A password of 10 characters or more with letters, digits and signs
    r"(?i:passw(?:or)?d|passphrase|pwd)[\"']?\]?\s*(?::\s*str\s*)?[:=]\s*b?[\"']"
    r"(?=[^\"']*\d)(?=[^\"']*[A-Za-z])(?=[^\"']*[^\w\s\"'])[^\s\"']{10,}[\"']": ("passw", "passphrase", "pwd"),
    # A hexadecimal value next to a name of a secret key or token
    r"(?i:(?:secret|api|access|auth|private)[_-]?(?:key|token)|token|secret)[\"']?\]?\s*(?::\s*str\s*)?[:=]\s*"
    r"[\"'][0-9a-f]{32,}[\"']": ("key", "token", "secret"),
    r"django-insecure-[^\s\"']{20,}": ("django-insecure-",),
    # Headers, and passwords in addresses
    r"(?:Bearer|Basic) (?=[^\s\"']*\d)[\w.~+/-]{16,}": ("bearer ", "basic "),
    r"://[^\s:/@\"'{]{0,64}:(?=[^\s@]{0,64}\d)[^\s:/@\"'{<$]{8,64}@": ("://",),
}
"""Shape of a key → texts, in any case, of which every key has one: a text without them is not searched."""
_MARKS = [(mark.lower(), re.compile(shape)) for shape, marks in _SHAPES.items() for mark in marks]
_RUN = re.compile("abcdef|012345|qwerty|xxxx", re.IGNORECASE)
_SIGN = re.compile("[!@#$^&*?]")
"""Signs of passwords, which may hold words; texts that name things have other ones."""
_WORD = re.compile("[A-Z]?[a-z]{2,}")
_MOST_IN_WORDS = 0.7
"""The share of a random value that may be words, as all of `Form.Validation.MinLength8.Message` is."""
# A call, subscript or assignment does not follow an address: `x@app.get("/")` is a product of matrices.
_AT = re.compile(r"@((?:[\w-]+\.)+[^\W\d_]{2,})\b(?!\s*[(\[=]|\.\w)")
# `https://jane@host.io` names a user of a host, and `git@github.com:a/b` a repository.
_NAME = re.compile(r"(?<![\w.+/-])(?!git\Z)[\w.+-]+\Z")
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
            for found in shape.finditer(text):
                if not _is_for_show(found[0]):
                    return PrivateData("secret", found[0][:4])
    return find_email(text)


def _is_for_show(key: str) -> bool:
    """Return True for `AKIAIOSFODNN7EXAMPLE`, and for an alphabet or words as the value of a name such as `token`."""
    *name, value = re.split("[\"']", key.rstrip("\"'"))
    in_words = len("".join(_WORD.findall(value))) > _MOST_IN_WORDS * len(value) and not _SIGN.search(value)
    return "EXAMPLE" in key or (bool(name) and (in_words or _RUN.search(value) is not None))


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
