"""Which rules may rightly speak of which attack. `OWN` is the rule that is made for it; others may see it as well."""

from __future__ import annotations

OWN: dict[str, str] = {
    "refresh_token_reuse": "refresh_token_reuse",
    "refresh_token_replay": "refresh_token_replay",
    "use_after_revocation": "use_after_revocation",
    "token_elsewhere": "token_elsewhere",
    "token_many_sources": "token_many_sources",
    "many_subjects_one_source": "many_subjects_one_source",
    "client_secret_guessing": "client_secret_guessing",
    "slow_secret_guessing": "slow_guessing",
    "client_probing": "client_probing",
    "scope_probing": "scope_probing",
    "new_scope": "new_scope",
    "dormant_client": "dormant_client",
    "machine_new_source": "new_network",
    "machine_new_agent": "new_user_agent",
    "issuance_burst": "issuance_burst",
    "introspection_burst": "introspection_burst",
    "password_guessing": "password_guessing",
    "slow_password_guessing": "slow_guessing",
    "password_spray": "password_spray",
    "credential_stuffing": "credential_stuffing",
    "impossible_travel": "impossible_travel",
}

_COPIES = frozenset({"refresh_token_reuse", "refresh_token_replay", "use_after_revocation"})
_ELSEWHERE = frozenset({"token_elsewhere", "token_many_sources"})
_STOLEN_SECRET = frozenset({"new_network", "new_user_agent", "new_scope", "scope_probing"})
_PASSWORDS = frozenset({"password_guessing", "password_spray", "credential_stuffing", "slow_guessing"})
_NONE = frozenset[str]()

_ALSO: dict[str, frozenset[str]] = {
    "refresh_token_reuse": _COPIES | _ELSEWHERE | {"impossible_travel"},
    "refresh_token_replay": _COPIES | _ELSEWHERE | {"impossible_travel"},
    "use_after_revocation": _COPIES | _ELSEWHERE,
    "token_elsewhere": _ELSEWHERE,
    "token_many_sources": _ELSEWHERE,
    "many_subjects_one_source": _ELSEWHERE,
    "client_secret_guessing": frozenset({"slow_guessing"}),
    "slow_secret_guessing": frozenset({"client_secret_guessing"}),
    "client_probing": frozenset({"slow_guessing"}),
    "scope_probing": _STOLEN_SECRET,
    "new_scope": _STOLEN_SECRET,
    "dormant_client": _STOLEN_SECRET | {"issuance_burst"},
    "machine_new_source": _STOLEN_SECRET,
    "machine_new_agent": _STOLEN_SECRET,
    "password_guessing": _PASSWORDS,
    "slow_password_guessing": _PASSWORDS,
    "password_spray": _PASSWORDS,
    "credential_stuffing": _PASSWORDS | {"impossible_travel"},
}


def rightly(kind: str) -> frozenset[str]:
    """The rules that may rightly speak of an attack of a kind."""
    return _ALSO.get(kind, _NONE) | {OWN[kind]}
