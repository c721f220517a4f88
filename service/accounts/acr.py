"""How strongly somebody signed in (`acr`), from how they did (`amr`, RFC 8176)."""

from __future__ import annotations

from collections.abc import Iterable

ONE_FACTOR = "1fa"
TWO_FACTORS = "2fa"
PHISHING_RESISTANT = "phr"
"""A passkey with user verification (OpenID Connect Extended Authentication Profile, ACR Values)."""

ACR_VALUES = (ONE_FACTOR, TWO_FACTORS, PHISHING_RESISTANT)
"""From weak to strong."""


def acr_of(amr: Iterable[str]) -> str:
    """The class of a sign-in by its methods: `pwd`, `otp`, `recovery`, `pop` (a passkey), `user` (verified by it)."""
    methods = set(amr)
    if {"pop", "user"} <= methods:
        return PHISHING_RESISTANT
    return TWO_FACTORS if len(methods & {"pwd", "otp", "recovery", "pop"}) > 1 else ONE_FACTOR


def satisfies(acr: str, wanted: str) -> bool:
    """Whether a sign-in is as strong as is wanted; an unknown class is wanted by nobody here."""
    return wanted not in ACR_VALUES or (acr in ACR_VALUES and ACR_VALUES.index(acr) >= ACR_VALUES.index(wanted))
