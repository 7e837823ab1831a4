"""Notification: a message to a webhook when a run of this project has failed, as an automation of Prefect's.

Nobody gets one who has not asked for it (`iterpref ui --notify URL`). The address may hold a secret, as those of Slack
do: Prefect keeps it encrypted, in a block of its own. Block and automation are named after the address, so that nobody
else's are replaced.
"""

import hashlib
from urllib.parse import urlsplit

from flows.prefect_session import TAG
from iterpref_core.errors import InputError

_ENDS = ["prefect.flow-run.Failed", "prefect.flow-run.Crashed", "prefect.flow-run.TimedOut"]
_TEXT = "flow_run.name ~ ' (' ~ flow.name ~ '): ' ~ flow_run.state.message ~ ' ' ~ (flow_run|ui_url or '')"
"""The message, in Jinja: `beta=0.3 (experiment): Flow run encountered an exception: … http://127.0.0.1:4200/runs/…`."""


def check_webhook(url: str) -> None:
    """Refuse what is no address of a webhook; the message does not repeat it.

    Raises:
        InputError: it is none.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError("--notify: not the address of a webhook, such as https://hooks.example.org/services/…")


def create_notification(url: str) -> str:
    """Let the present Prefect server post `{"text": …}` to an address when a run has failed or crashed.

    Returns:
        The name of the automation. One that is there stays as it is.
    """
    from prefect.blocks.webhook import Webhook
    from prefect.client.orchestration import get_client
    from prefect.events.schemas.automations import AutomationCore
    from pydantic import SecretStr

    name = f"{TAG}-notify-{hashlib.sha256(url.encode()).hexdigest()[:8]}"
    with get_client(sync_client=True) as client:
        if client.read_automations_by_name(name):
            return name
        block = Webhook(url=SecretStr(url)).save(name, overwrite=True)
        trigger = {
            "type": "event",
            "posture": "Reactive",
            "match": {"prefect.resource.id": "prefect.flow-run.*"},
            "match_related": {"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{TAG}"},
            "expect": _ENDS,
            "for_each": ["prefect.resource.id"],
        }
        action = {
            "type": "call-webhook",
            "block_document_id": str(block),
            "payload": f'{{"text": {{{{ ({_TEXT})|tojson }}}}}}',
        }
        content = {
            "name": name,
            "description": "A run has failed: a message to the webhook of the block of the same name.",
            "trigger": trigger,
            "actions": [action],
        }
        client.create_automation(AutomationCore.model_validate(content))
    return name
