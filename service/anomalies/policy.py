"""What is done about findings, from the setting: `refresh_token_reuse=revoke_grant,password_spray=require_sign_in`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import get_args

from schema.events import Finding, Response
from service.access.wording import unknown
from service.settings import SettingsError

Policy = Mapping[str, tuple[Response, ...]]
"""The responses to the findings of each rule, in order."""

NOTHING = "none"

_VARIABLE = "TALLYSTICK_ANOMALY_RESPONSES"
_RESPONSES: tuple[Response, ...] = get_args(Response)


def parse_policy(text: str, rules: Collection[str]) -> Policy:
    """The policy that a setting's text says; `rules` are the names that there are. Raises SettingsError."""
    policy: dict[str, tuple[Response, ...]] = {}
    for entry in () if text.strip() == NOTHING else text.split(","):
        rule, equals, name = (part.strip() for part in entry.partition("="))
        if not equals:
            raise SettingsError(f"{_VARIABLE}: expected rule=response, separated by commas, or {NOTHING}")
        if rule not in rules:
            raise SettingsError(f"{_VARIABLE}: {unknown(rule, 'no rule', rules)}")
        response = next((known for known in _RESPONSES if known == name), None)
        if response is None:
            raise SettingsError(f"{_VARIABLE}: {unknown(name, 'no response', _RESPONSES)}")
        policy[rule] = tuple(dict.fromkeys((*policy.get(rule, ()), response)))
    return policy


def target_of(response: Response, finding: Finding) -> str | None:
    """The grant, client or subject that a response is about; None where the finding names none."""
    match response:
        case "revoke_grant":
            return finding.grant_id
        case "disable_client":
            return finding.client_id
        case "require_sign_in":
            return finding.subject
