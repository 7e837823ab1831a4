"""Give docker/automations.yaml to the Prefect server at PREFECT_API_URL; what an earlier call gave it is replaced.

WEBHOOK_URL is what failures are told to, by POST of `{"text": …}`, as Slack and Mattermost take it; without it, nobody
is told.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from prefect.automations import Automation
from prefect.blocks.webhook import Webhook


def main() -> None:
    """Make the block of the webhook, if there is one, and the automations."""
    text = Path(__file__).parents[1].joinpath("automations.yaml").read_text(encoding="utf-8")
    if url := os.environ.get("WEBHOOK_URL"):
        hook: Any = Webhook(url=url, headers={"Content-Type": "application/json"})
        text = text.replace("WEBHOOK_BLOCK", str(hook.save("iterpref", overwrite=True)))
    for item in yaml.safe_load(text)["automations"]:
        if url or item["actions"][0]["type"] != "call-webhook":
            _replace(Automation.model_validate(item))


def _replace(automation: Any) -> None:
    with suppress(ValueError):  # there is none of this name
        Automation.read(name=automation.name).delete()
    automation.create()
    print(f"{automation.name}: {automation.description}")


if __name__ == "__main__":
    main()
