"""Two NATS accounts: the one that holds the stream, and `AUDIT`, which may read it and nothing else.

Within one account, a permission to ask JetStream is a permission to write anywhere: the answer goes to whatever reply
subject the question names, also into the stream. So those who only read have an account of their own. What it imports
are the questions below; their answers stay in it, and nobody's inbox but its own is in it.

Several subscribers may share the account (docs/audit-stream.md). They cannot delete, pause or reset a consumer, and
cannot list them: whoever knows a consumer's name can take its messages, by a permission or by a push consumer that
delivers where they are asked for. The service's own have names that nobody can guess.
"""

from __future__ import annotations

import json
from typing import Any

ACCOUNT = "TALLYSTICK"
AUDIT_ACCOUNT = "AUDIT"
STREAM = "TALLYSTICK"
PUSH_PREFIX = "_INBOX_audit"
"""Push consumers deliver within the stream's account: subscribers that use them name their inboxes this way."""

_ANSWERED_ONCE = (
    "$JS.API.INFO",
    "$JS.API.STREAM.NAMES",
    f"$JS.API.STREAM.INFO.{STREAM}",
    f"$JS.API.STREAM.MSG.GET.{STREAM}",
    f"$JS.API.CONSUMER.INFO.{STREAM}.*",
    # A request without a name after the stream's may name any consumer in its body, and change it: it is not here.
    f"$JS.API.CONSUMER.CREATE.{STREAM}.>",
    f"$JS.API.CONSUMER.DURABLE.CREATE.{STREAM}.*",
    f"$JS.ACK.{STREAM}.>",
    f"$JS.FC.{STREAM}.>",
)
_ANSWERED_BY_MANY = (
    f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.*",
    f"$JS.API.DIRECT.GET.{STREAM}",
    f"$JS.API.DIRECT.GET.{STREAM}.>",
)
AUDIT_MAY_ASK = _ANSWERED_ONCE + _ANSWERED_BY_MANY
AUDIT_MAY_HEAR = ("tally.v1.>", f"{PUSH_PREFIX}.>")


def audit_permissions() -> dict[str, Any]:
    """What a user of the audit account may publish and subscribe to."""
    return {
        "publish": {"allow": list(AUDIT_MAY_ASK)},
        "subscribe": {"allow": [*AUDIT_MAY_HEAR, "_INBOX.>"]},
    }


def accounts(service_password: str, audit_password: str) -> dict[str, Any]:
    """The server's `accounts`, with the users `tallystick` and `audit`."""
    return {
        ACCOUNT: {
            "jetstream": "enabled",
            "users": [{"user": "tallystick", "password": service_password}],
            "exports": [
                *({"service": subject, "accounts": [AUDIT_ACCOUNT]} for subject in _ANSWERED_ONCE),
                *(
                    {"service": subject, "response_type": "stream", "accounts": [AUDIT_ACCOUNT]}
                    for subject in _ANSWERED_BY_MANY
                ),
                *({"stream": subject, "accounts": [AUDIT_ACCOUNT]} for subject in AUDIT_MAY_HEAR),
            ],
        },
        AUDIT_ACCOUNT: {
            "users": [{"user": "audit", "password": audit_password, "permissions": audit_permissions()}],
            "imports": [
                *({"service": {"account": ACCOUNT, "subject": subject}} for subject in AUDIT_MAY_ASK),
                *({"stream": {"account": ACCOUNT, "subject": subject}} for subject in AUDIT_MAY_HEAR),
            ],
        },
    }


def configuration_file() -> str:
    """`deploy/nats-accounts.conf`: the same accounts, for servers whose passwords are in their environment."""
    service, audit = "$NATS_PASSWORD", "$NATS_AUDIT_PASSWORD"
    text = f'{_HEAD}"accounts": {_rendered(accounts(service, audit))}\n'
    for variable in (service, audit):
        text = text.replace(f'"{variable}"', variable)
    return text


def _rendered(value: Any, indent: str = "") -> str:
    """JSON with a line for each subject, so that a change of the file shows what changed."""
    line = json.dumps(value)
    if len(line) < _ONE_LINE or not isinstance(value, dict | list):
        return line
    deeper = f"{indent}  "
    if isinstance(value, list):
        inner = [deeper + _rendered(each, deeper) for each in value]
    else:
        inner = [f"{deeper}{json.dumps(key)}: {_rendered(each, deeper)}" for key, each in value.items()]
    opening, closing = line[0], line[-1]
    return "\n".join([opening, ",\n".join(inner), f"{indent}{closing}"])


_ONE_LINE = 100
_HEAD = """\
# The accounts of NATS for Tallystick: included by nats.conf, made by `make contracts`.
#
# tallystick (NATS_PASSWORD) is the service. audit (NATS_AUDIT_PASSWORD) may read the stream TALLYSTICK, make consumers
# on it, pull and acknowledge, and nothing else; docs/audit-stream.md says why it has an account of its own.

"""
