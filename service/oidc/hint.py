"""ID tokens that come back as `id_token_hint`: only those that this server signed, expired ones too.

The header must be, byte for byte, that of our ID tokens under a published key: `alg: none`, a key in the header,
`crit`, or a token of another type lead to no key and are not looked into.
"""

from __future__ import annotations

import msgspec

from service.endpoints.core import Core
from service.tokens.jwt import ID_TOKEN_TYP, NotOurToken, read_as

_MAX_LENGTH = 8_192


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """What an ID token of ours says: to whom (`aud`, a client), of whom and of which session (`sub` and `sid`, as that
    client knows them).
    """

    iss: str
    sub: str
    aud: str
    iat: int
    sid: str


_decoder = msgspec.json.Decoder(Hint)


def read_id_token_hint(core: Core, text: str) -> Hint | None:
    """What a hint says, None if it is not an ID token that this server made for a client that there is."""
    if len(text) > _MAX_LENGTH:
        return None
    try:
        hint = read_as(_decoder, text, core.ring.verifiers(ID_TOKEN_TYP))
    except NotOurToken:
        return None
    client = core.state.access.clients.get(hint.aud)
    # A client of an id that was another's before has nothing to do with what that one was told.
    if hint.iss != core.issuer or client is None or hint.iat <= client.since_time:
        return None
    return hint
