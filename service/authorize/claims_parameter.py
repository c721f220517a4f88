"""The `claims` parameter (OpenID Connect Core section 5.5): claims asked for by name, and what they must be."""

from __future__ import annotations

from typing import Any

import msgspec

from service.errors import InvalidRequest
from service.oidc.scopes import SCOPE_CLAIMS

_SCOPE_OF = {claim: scope for scope, claims in SCOPE_CLAIMS.items() for claim in claims}


class ClaimsAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Names of claims about a person, for ID token and userinfo; the classes of sign-in asked for, and whether one of
    them must be; and the subjects that the person must have.
    """

    id_token: tuple[str, ...] = ()
    userinfo: tuple[str, ...] = ()
    acr_values: tuple[str, ...] = ()
    acr_essential: bool = False
    subjects: tuple[str, ...] = ()


class _Demand(msgspec.Struct, frozen=True):
    essential: bool = False
    value: Any = None
    values: tuple[Any, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """The values of which the claim must have one, as far as they are texts."""
        return tuple(value for value in (self.value, *self.values) if isinstance(value, str))


class _Parameter(msgspec.Struct, frozen=True):
    id_token: dict[str, _Demand | None] | None = None
    userinfo: dict[str, _Demand | None] | None = None


_decode = msgspec.json.Decoder(_Parameter).decode


def read_claims_parameter(text: str | None) -> ClaimsAsked:
    """What the parameter asks for; names that mean nothing here are ignored (section 5.5). Raises InvalidRequest."""
    if text is None:
        return ClaimsAsked()
    try:
        parameter = _decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise InvalidRequest("malformed_claims", "The claims parameter is not what OpenID Connect says.") from None
    id_token, userinfo = parameter.id_token or {}, parameter.userinfo or {}
    acr = id_token.get("acr") or _Demand()
    return ClaimsAsked(
        id_token=tuple(name for name in _SCOPE_OF if name in id_token),
        userinfo=tuple(name for name in _SCOPE_OF if name in userinfo),
        acr_values=acr.texts,
        acr_essential=acr.essential and bool(acr.texts),
        subjects=_values_of("sub", id_token, userinfo),
    )


def scopes_of_claims(names: tuple[str, ...]) -> frozenset[str]:
    """The scopes that would ask for the same: who may not have those gets no claim by its name either."""
    return frozenset(_SCOPE_OF[name] for name in names)


def _values_of(name: str, *asked: dict[str, _Demand | None]) -> tuple[str, ...]:
    demands = (demands.get(name) for demands in asked)
    return tuple(demand.value for demand in demands if demand is not None and isinstance(demand.value, str))
