"""Keep secrets and personal data on this machine.

`reason_to_withhold` screens a text that is about to go to a model elsewhere. The function errs on the side of caution.
A text without a finding is not proven harmless.
"""

import tempfile
from typing import Literal

from detect_secrets.core.scan import scan_file
from detect_secrets.settings import default_settings

from .private_data import find_email

Reason = Literal["secret", "email"]


def reason_to_withhold(text: str) -> Reason | None:
    """Return the reason why a text must not be sent to another machine, or None.

    Addresses in domains that are reserved for examples (RFC 2606) are not reasons, nor are lines with the comment
    `pragma: allowlist secret`.

    >>> reason_to_withhold("def f(x): return x"), reason_to_withhold("# ask jane.doe@acme.io")
    (None, 'email')
    """
    if find_email(text):
        return "email"
    # detect-secrets reads files; its functions for single lines leave its filters against false alarms out.
    with tempfile.NamedTemporaryFile("w", suffix=".py", encoding="utf-8", errors="replace") as file:
        file.write(text)
        file.flush()
        with default_settings():
            first = next(iter(scan_file(file.name)), None)
    return None if first is None else "secret"
