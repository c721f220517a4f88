"""Passkeys (Web Authentication Level 3, section 7), by py_webauthn.

A passkey is added as a discoverable one that verified its user: then it is two factors by itself (something one has,
and a PIN or finger that unlocks it), and signs in without a name or password. After a password, where it is the second
factor, possession is enough.

What a browser is asked is sealed with the challenge, opens for five minutes, in that browser alone, and for what it was
asked for.
"""

from __future__ import annotations

import datetime as dt
import hmac
import logging
import os
import time
from typing import NamedTuple
from uuid import UUID

import msgspec
import webauthn
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, options_to_json
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from projections.accounts import Account, Accounts
from schema.events import PasskeyAdded
from service.accounts.relying_party import descriptors, known_transports, relying_party
from service.journal.port import SingleUse
from service.printable import printable
from service.tokens.digest import Digester
from service.tokens.seal import NotSealed, Sealer

log = logging.getLogger(__name__)

LIFETIME = 300
"""Seconds in which a browser must answer."""

_CHALLENGE_BYTES = 32
_SHOWN = 200
_ALGORITHMS = [
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
_REQUIRED = UserVerificationRequirement.REQUIRED
_LONGEST_ID = 1_023
_LONGEST_KEY = 1_024


class PasskeyAsked(msgspec.Struct, frozen=True, kw_only=True):
    """A browser was asked for a passkey: for one of `subject`, or of anybody."""

    browser: str
    challenge: bytes
    subject: str | None


class PasskeyWanted(msgspec.Struct, frozen=True, kw_only=True):
    """A browser was asked to make a passkey for `subject`."""

    browser: str
    challenge: bytes
    subject: str


class VerifiedPasskey(NamedTuple):
    """A passkey that answered, whose it is, and whether it verified that person."""

    subject: str
    credential_id: str
    user_verified: bool
    challenge: bytes

    def once(self, digester: Digester) -> SingleUse:
        """What uses up the challenge."""
        return _once(digester, f"passkey\0{self.challenge.hex()}")


class Passkeys:
    """Asks browsers for passkeys and checks what they answer, for one issuer."""

    def __init__(self, issuer: str, sealer: Sealer) -> None:
        self._party = relying_party(issuer)
        self._sealer = sealer

    @property
    def available(self) -> bool:
        """Whether browsers can have passkeys for this issuer."""
        return self._party.available

    def request(self, browser: str, account: Account | None) -> tuple[str, str]:
        """Options JSON to ask for a passkey, and the sealed state; "" twice where there can be none."""
        if not self.available or (account is not None and not account.passkeys):
            return "", ""
        challenge = os.urandom(_CHALLENGE_BYTES)
        options = webauthn.generate_authentication_options(
            rp_id=self._party.host,
            challenge=challenge,
            timeout=LIFETIME * 1_000,
            allow_credentials=None if account is None else descriptors(account.passkeys),
            user_verification=_REQUIRED if account is None else UserVerificationRequirement.PREFERRED,
        )
        subject = None if account is None else account.subject
        asked = PasskeyAsked(browser=browser, challenge=challenge, subject=subject)
        return options_to_json(options), self._sealer.seal(asked, LIFETIME)

    def verify(self, browser: str, state: str, credential_json: str, accounts: Accounts) -> VerifiedPasskey | None:
        """Whose passkey signed the challenge of `state`; None for whatever does not hold (section 7.2)."""
        try:
            asked = self._sealer.open(PasskeyAsked, state)
        except NotSealed:
            return None
        if not self.available or not _same(asked.browser, browser):
            return None
        try:
            return self._verified(asked, credential_json, accounts)
        except Exception as error:  # noqa: BLE001 whatever the library raises at what a browser sent, it is no proof
            _note(error)
            return None

    def creation_request(self, browser: str, account: Account) -> tuple[str, str]:
        """Options JSON to make a passkey, and the sealed state; "" twice where there can be none."""
        if not self.available:
            return "", ""
        challenge = os.urandom(_CHALLENGE_BYTES)
        options = webauthn.generate_registration_options(
            rp_id=self._party.host,
            rp_name=self._party.host,
            user_id=UUID(account.subject).bytes,
            user_name=account.name,
            challenge=challenge,
            timeout=LIFETIME * 1_000,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                require_resident_key=True,
                user_verification=_REQUIRED,
            ),
            exclude_credentials=descriptors(account.passkeys),
            supported_pub_key_algs=_ALGORITHMS,
        )
        wanted = PasskeyWanted(browser=browser, challenge=challenge, subject=account.subject)
        return options_to_json(options), self._sealer.seal(wanted, LIFETIME)

    def created(
        self, browser: str, state: str, credential_json: str, account: Account, label: str
    ) -> PasskeyAdded | None:
        """The event of a passkey that a browser made for an account; None for whatever does not hold (section 7.1).

        That no account has it already, the caller sees to, with `once_added`.
        """
        try:
            wanted = self._sealer.open(PasskeyWanted, state)
        except NotSealed:
            return None
        if not self.available or not _same(wanted.browser, browser) or wanted.subject != account.subject:
            return None
        try:
            return self._added(wanted, credential_json, label)
        except Exception as error:  # noqa: BLE001 whatever the library raises at what a browser sent, it is no passkey
            _note(error)
            return None

    def _verified(self, asked: PasskeyAsked, credential_json: str, accounts: Accounts) -> VerifiedPasskey | None:
        credential = webauthn.helpers.parse_authentication_credential_json(credential_json)
        account = accounts.with_passkey(credential.id)
        if account is None or not _is_of(account, asked.subject, credential.response.user_handle):
            return None
        passkey = next(each for each in account.passkeys if each.credential_id == credential.id)
        verified = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=asked.challenge,
            expected_rp_id=self._party.host,
            expected_origin=self._party.origin,
            credential_public_key=base64url_to_bytes(passkey.public_key),
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=asked.subject is None,
        )
        return VerifiedPasskey(account.subject, passkey.credential_id, verified.user_verified, asked.challenge)

    def _added(self, wanted: PasskeyWanted, credential_json: str, label: str) -> PasskeyAdded | None:
        credential = webauthn.helpers.parse_registration_credential_json(credential_json)
        made = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=wanted.challenge,
            expected_rp_id=self._party.host,
            expected_origin=self._party.origin,
            require_user_verification=True,
            supported_pub_key_algs=_ALGORITHMS,
        )
        if len(made.credential_id) > _LONGEST_ID or len(made.credential_public_key) > _LONGEST_KEY:
            return None
        return PasskeyAdded(
            subject=wanted.subject,
            credential_id=bytes_to_base64url(made.credential_id),
            public_key=bytes_to_base64url(made.credential_public_key),
            label=label,
            added_at=int(time.time()),
            sign_count=made.sign_count,
            transports=known_transports(credential.response.transports),
            aaguid=made.aaguid,
        )


def once_added(digester: Digester, added: PasskeyAdded) -> SingleUse:
    """What keeps one passkey from being added twice: by a second account, or with the same answer once more.

    By the time that it is forgotten, every worker knows the passkey, and the answer holds no more.
    """
    return _once(digester, f"passkey added\0{added.credential_id}")


def _note(error: Exception) -> None:
    """Tell an operator why, who may have set up another issuer than browsers see; the person is told nothing."""
    log.info("a passkey was refused: %s", printable(f"{type(error).__name__}: {error}", _SHOWN))


def _is_of(account: Account, asked_subject: str | None, user_handle: bytes | None) -> bool:
    """Whether an answer is of the account that was asked, or of the one that it names itself (section 7.2, step 6)."""
    if asked_subject is None and user_handle is None:
        return False
    handle_fits = user_handle is None or hmac.compare_digest(user_handle, UUID(account.subject).bytes)
    return handle_fits and asked_subject in {None, account.subject}


def _once(digester: Digester, what: str) -> SingleUse:
    return SingleUse(digester.raw(what), dt.datetime.now(dt.UTC) + dt.timedelta(seconds=2 * LIFETIME))


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
