"""What must not leave the machine is found, and ordinary code is not mistaken for it."""

import pytest

from iterpref_core.programs.source_code.privacy import reason_to_withhold


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("key = 'AKIAJ2ZJQ5X3TFZ7Q6ZA'", "secret"),
        ("password = 'correct-horse-7'", "secret"),
        ("token = 'ghp_a1B2a1B2a1B2a1B2a1B2a1B2a1B2a1B2a1B2'", "secret"),
        ("-----BEGIN RSA PRIVATE KEY-----", "secret"),
        ("digest = 'd41d8cd98f00b204e9800998ecf8427e'", "secret"),
        ("# Ask jane.doe@acme-shop.com.", "email"),
    ],
)
def test_secrets_and_personal_data_are_reasons(text, reason):
    assert reason_to_withhold(f"import os\n{text}\n") == reason


@pytest.mark.parametrize(
    "text",
    [
        "def f(x):\n    return x + 1",
        "mail = 'someone@example.com'",
        "product = weights@inputs.mean()",
        "@functools.cache\ndef f(): pass",
        "day = '2024-01-31'; version = '1.2.3'; number = 6364136223846793005; mask = 0xFFFFFFFF",
        "password = os.environ['PASSWORD']",
    ],
)
def test_ordinary_code_is_none(text):
    assert reason_to_withhold(text) is None
