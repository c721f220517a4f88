"""Grants at rest: each as a few dozen bytes, of which a worker can keep a million (docs/adr/0017-grants-at-rest.md)."""

from __future__ import annotations

from collections.abc import Iterable
from sys import intern
from typing import Any

import msgspec

from projections.grants import Code, Device, Grant, Person, Refresh, Token
from projections.short import Words, lengthened, shortened

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class GrantPacking:
    """Packs grants and unpacks them, equal to what they were. What it packed it alone can unpack."""

    def __init__(self) -> None:
        self._words = Words()

    def pack(self, grant: Grant) -> bytes:
        """A grant as bytes."""
        tokens = [self._token(number, token) for number, token in grant.tokens.items()]
        parts: list[Any] = [grant.version, grant.position, grant.revoked, grant.last_number, tokens]
        if grant.person is not None or grant.code is not None or grant.device is not None or grant.refresh is not None:
            parts += (self._person(grant.person), self._code(grant.code), self._device(grant.device))
            parts.append(_refresh(grant.refresh))
        return _encode(parts)

    def unpack(self, data: bytes) -> Grant:
        """The grant again."""
        version, position, revoked, last_number, tokens, *given = _decode(data)
        person, code, device, refresh = given or (None, None, None, None)
        return Grant(
            version=version,
            position=position,
            revoked=revoked,
            tokens={token[0]: self._token_of(*token[1:]) for token in tokens},
            last_number=last_number,
            person=person and self._person_of(*person),
            code=code and self._code_of(*code),
            device=device and self._device_of(*device),
            refresh=refresh and _refresh_of(*refresh),
        )

    def _token(self, number: int, token: Token) -> tuple[Any, ...]:
        word, own = self._words.number, token.subject == token.client_id
        return (
            number,
            word(token.client_id),
            None if own else shortened(token.subject),
            word(token.audience),
            word(token.scope),
            token.issued_at,
            token.expires_at - token.issued_at,
            shortened(token.digest),
            word(token.grant_type),
            token.source,
            token.revoked,
        )

    def _token_of(
        self,
        client: int | str,
        subject: bytes | str | None,
        audience: int | str,
        scope: int | str,
        issued_at: int,
        lifetime: int,
        digest: bytes | str | None,
        grant_type: int | str,
        source: str | None,
        revoked: bool,
    ) -> Token:
        text = self._words.text
        client_id = text(client)
        return Token(
            client_id=client_id,
            subject=client_id if subject is None else lengthened(subject),
            audience=text(audience),
            scope=text(scope),
            issued_at=issued_at,
            expires_at=issued_at + lifetime,
            digest=lengthened(digest),
            grant_type=text(grant_type),
            source=None if source is None else intern(source),
            revoked=revoked,
        )

    def _person(self, person: Person | None) -> tuple[Any, ...] | None:
        return (
            None
            if person is None
            else (
                self._words.number(person.client_id),
                shortened(person.subject),
                shortened(person.session),
                self._words.number(person.scope),
                self._numbers(person.resources),
                person.auth_time,
                self._numbers(person.amr),
                self._words.number(person.acr),
                shortened(person.nonce),
                self._numbers(person.id_token_claims),
                self._numbers(person.userinfo_claims),
                person.position,
            )
        )

    def _person_of(
        self,
        client: int | str,
        subject: bytes | str,
        session: bytes | str,
        scope: int | str,
        resources: list[int | str],
        auth_time: int,
        amr: list[int | str],
        acr: int | str,
        nonce: bytes | str | None,
        id_token_claims: list[int | str],
        userinfo_claims: list[int | str],
        position: int,
    ) -> Person:
        return Person(
            client_id=self._words.text(client),
            subject=lengthened(subject),
            session=lengthened(session),
            scope=self._words.text(scope),
            resources=self._texts(resources),
            auth_time=auth_time,
            amr=self._texts(amr),
            acr=self._words.text(acr),
            nonce=lengthened(nonce),
            id_token_claims=self._texts(id_token_claims),
            userinfo_claims=self._texts(userinfo_claims),
            position=position,
        )

    def _code(self, code: Code | None) -> tuple[Any, ...] | None:
        return (
            None
            if code is None
            else (
                shortened(code.digest),
                code.expires_at,
                self._words.number(code.redirect_uri),
                shortened(code.code_challenge),
                code.redeemed,
            )
        )

    def _code_of(
        self, digest: bytes | str, expires_at: int, redirect: int | str, challenge: bytes | str, redeemed: bool
    ) -> Code:
        return Code(lengthened(digest), expires_at, self._words.text(redirect), lengthened(challenge), redeemed)

    def _device(self, device: Device | None) -> tuple[Any, ...] | None:
        return (
            None
            if device is None
            else (
                self._words.number(device.client_id),
                self._words.number(device.scope),
                self._numbers(device.resources),
                shortened(device.digest),
                shortened(device.user_code_digest),
                device.expires_at,
                device.denied,
                device.redeemed,
            )
        )

    def _device_of(
        self,
        client: int | str,
        scope: int | str,
        resources: list[int | str],
        digest: bytes | str,
        user_code_digest: bytes | str,
        expires_at: int,
        denied: bool,
        redeemed: bool,
    ) -> Device:
        return Device(
            client_id=self._words.text(client),
            scope=self._words.text(scope),
            resources=self._texts(resources),
            digest=lengthened(digest),
            user_code_digest=lengthened(user_code_digest),
            expires_at=expires_at,
            denied=denied,
            redeemed=redeemed,
        )

    def _numbers(self, texts: Iterable[str]) -> list[int | str]:
        return [self._words.number(text) for text in texts]

    def _texts(self, numbers: Iterable[int | str]) -> tuple[str, ...]:
        return tuple(self._words.text(number) for number in numbers)


def _refresh(refresh: Refresh | None) -> tuple[Any, ...] | None:
    return (
        None
        if refresh is None
        else (
            [shortened(digest) for digest in refresh.digests],
            refresh.expires_at,
            refresh.used_at,
            refresh.generation,
            shortened(refresh.previous),
            refresh.rotated_at,
            refresh.retries,
        )
    )


def _refresh_of(digests: list[bytes | str], *rest: Any) -> Refresh:
    expires_at, used_at, generation, previous, rotated_at, retries = rest
    return Refresh(
        digests=tuple(map(lengthened, digests)),
        expires_at=expires_at,
        used_at=used_at,
        generation=generation,
        previous=lengthened(previous),
        rotated_at=rotated_at,
        retries=retries,
    )
