"""Privacy: secrets, personal data, and code under licenses that were not allowed must not leave this machine.

Every text that goes to a model elsewhere can be put through `reason_to_withhold`. It errs on the side of caution, and
it is no proof that a text is harmless.
"""

import re
import tempfile
from collections.abc import Callable
from functools import lru_cache
from typing import Literal

from detect_secrets.core.scan import scan_file
from detect_secrets.settings import transient_settings

Reason = Literal["secret", "email", "phone", "iban", "card"]

_EMAIL = re.compile(r"(?<![\w.+-])[A-Za-z0-9_.+-]+@((?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,})\b(?!\s*[(\[=]|\.\w)")
_EXAMPLE_DOMAIN = re.compile(
    r"(?:^|\.)(?:example\.(?:com|net|org)|example|test|invalid|localhost|local)$", re.IGNORECASE
)
_PHONE = re.compile(
    r"(?<![\w.+-])(?:\+[1-9]\d{0,2}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){2,4}"
    r"|(?:\(\d{3}\) ?|\d{3}[.-])\d{3}[.-]\d{4})(?![\w.-])"
)
_FICTIONAL_PHONE = re.compile(r"555[ .-]?01\d\d$|555[ .-]?555|123[ .-]?456")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_CARD = re.compile(r"(?<![\w.])(?:\d[ -]?){12,18}\d(?![\w.])")
_CARD_NUMBER = re.compile(r"4(\d{12}|\d{15}|\d{18})|(5[1-5]|2[2-7]|35|65)\d{14}|6011\d{12}|3[47]\d{13}|3[068]\d{12}")

_DETECTORS = {
    "plugins_used": [
        {"name": name}
        for name in (
            "ArtifactoryDetector",
            "AWSKeyDetector",
            "AzureStorageKeyDetector",
            "BasicAuthDetector",
            "CloudantDetector",
            "DiscordBotTokenDetector",
            "GitHubTokenDetector",
            "GitLabTokenDetector",
            "IbmCloudIamDetector",
            "IbmCosHmacDetector",
            "JwtTokenDetector",
            "KeywordDetector",
            "MailchimpDetector",
            "NpmDetector",
            "OpenAIDetector",
            "PrivateKeyDetector",
            "PypiTokenDetector",
            "SendGridDetector",
            "SlackDetector",
            "SoftlayerDetector",
            "SquareOAuthDetector",
            "StripeDetector",
            "TelegramBotTokenDetector",
            "TwilioKeyDetector",
        )
    ]
    + [{"name": "Base64HighEntropyString", "limit": 4.5}, {"name": "HexHighEntropyString", "limit": 3.0}]
}
"""Everything that detect-secrets finds by the text alone; nothing is looked up over the network."""


def is_iban(text: str) -> bool:
    """Whether a text is an IBAN with the right check digits (ISO 13616, ISO 7064 mod 97-10).

    >>> is_iban("GB82 WEST 1234 5698 7654 32"), is_iban("GB82 WEST 1234 5698 7654 33")
    (True, False)
    """
    plain = text.replace(" ", "")
    digits = "".join(str(int(character, 36)) for character in plain[4:] + plain[:4])
    return 15 <= len(plain) <= 34 and int(digits) % 97 == 1


def is_card(text: str) -> bool:
    """Whether a text is the number of a payment card: by prefix, length and check digit (ISO 7812, Luhn).

    >>> is_card("4111 1111 1111 1111"), is_card("4111 1111 1111 1112")
    (True, False)
    """
    plain = text.replace(" ", "").replace("-", "")
    if not _CARD_NUMBER.fullmatch(plain):
        return False
    digits = [int(character) for character in plain]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _finds(pattern: re.Pattern[str], holds: Callable[[re.Match[str]], bool], text: str) -> bool:
    return any(holds(match) for match in pattern.finditer(text))


_PERSONAL: tuple[tuple[Reason, re.Pattern[str], Callable[[re.Match[str]], bool]], ...] = (
    ("email", _EMAIL, lambda match: not _EXAMPLE_DOMAIN.search(match[1])),
    ("iban", _IBAN, lambda match: is_iban(match[0])),
    ("card", _CARD, lambda match: is_card(match[0])),
    ("phone", _PHONE, lambda match: not _FICTIONAL_PHONE.search(match[0])),
)


@lru_cache(maxsize=1024)
def _secret(text: str) -> Reason | None:
    # detect-secrets reads files; its functions for single lines leave its filters against false alarms out.
    with tempfile.NamedTemporaryFile("w", suffix=".py", encoding="utf-8", errors="replace") as file:
        file.write(text)
        file.flush()
        with transient_settings(_DETECTORS):
            return "secret" if any(True for _ in scan_file(file.name)) else None


def reason_to_withhold(text: str) -> Reason | None:
    """Why a text must not be sent to somebody else's machine; None if nothing was found.

    Addresses in the domains and phone numbers in the ranges that are reserved for examples are no reason (RFC 2606,
    555-01xx), nor is a line that says `pragma: allowlist secret`.

    >>> reason_to_withhold("def f(x): return x"), reason_to_withhold("# ask jane.doe@acme.io")
    (None, 'email')
    """
    for reason, pattern, holds in _PERSONAL:
        if _finds(pattern, holds, text):
            return reason
    return _secret(text)
