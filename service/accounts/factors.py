"""What proves, besides a password, that somebody is the person of an account: one-time codes, recovery codes, passkeys.

Each proof works once, at whatever worker it comes in: what it uses up is committed to the journal before it counts.
Whoever asks throttles, journals `login.failed`, and looks whether the account is enabled.
"""

from __future__ import annotations

import time

from projections.accounts import Account
from schema.envelope import Context
from schema.events import RecoveryCodeUsed
from schema.streams import account_stream, new_stream
from service.accounts.passkeys import Passkeys, VerifiedPasskey
from service.accounts.recovery import code_digest
from service.accounts.totp import matching_step, used_step
from service.endpoints.core import Core
from service.journal.port import AlreadyUsed, Append, JournalUnavailable, SingleUse, VersionConflict
from service.pages.models import Method

_ATTEMPTS = 5


class Factors:
    """The factors of accounts, at one worker."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._passkeys = Passkeys(core.issuer, core.sealer)

    @property
    def passkeys_available(self) -> bool:
        """Whether browsers can have passkeys for this issuer: its host is a name, reached by TLS or on this machine."""
        return self._passkeys.available

    def methods(self, account: Account) -> tuple[Method, ...]:
        """What a person may prove themselves by after their password, best first.

        Empty where `account.has_second_factor` says that the password is enough, or nothing of it can be used here.
        """
        if not account.has_second_factor:
            return ()
        methods: list[Method] = []
        if account.passkeys and self.passkeys_available:
            methods.append("passkey")
        if account.has_totp:
            methods.append("otp")
        if account.recovery_digests:
            methods.append("recovery")
        return tuple(methods)

    async def verify_otp(self, account: Account, code: str) -> bool:
        """Whether it is a code of the account's authenticator app that is good now, and was not used before.

        Raises JournalUnavailable.
        """
        secret = await self._core.totp.get(account.subject) if account.has_totp else None
        step = None if secret is None else matching_step(secret, code, time.time())
        return step is not None and await self._use(used_step(self._core.digester, account.subject, step))

    async def use_recovery_code(self, account: Account, code: str, context: Context) -> bool:
        """Use up a recovery code; False where the account has no such code, or it was used before.

        On return no worker takes it again. Raises JournalUnavailable.
        """
        digest = code_digest(self._core.digester, account.subject, code)
        stream, accounts = account_stream(account.name), self._core.state.accounts
        actor = f"account:{account.subject}"  # who has the code, after the password, has shown who they are
        for _ in range(_ATTEMPTS):
            if digest is None or digest not in accounts.by_subject[account.subject].recovery_digests:
                return False
            used = RecoveryCodeUsed(subject=account.subject, digest=digest)
            try:
                appended = await self._core.journal.append(
                    Append(stream, accounts.version_of(stream), (used,), context._replace(actor=actor))
                )
            except VersionConflict:
                await self._core.follower.refresh()
                continue
            await self._core.follower.settled(appended.last)
            return True
        raise JournalUnavailable("the account changes too fast for a recovery code to be used")

    def passkey_request(self, browser: str, account: Account | None = None) -> tuple[str, str]:
        """Options JSON for `navigator.credentials.get()`, and the sealed state that goes with its answer.

        `browser` is `visit.browser`. Without an account any passkey of this server will do, and alone: it must verify
        its user. With one, after its password, one of that account. Both are "" where passkeys are not available, or
        the account has none: show nothing of passkeys then.
        """
        return self._passkeys.request(browser, account)

    async def verify_passkey(self, browser: str, state: str, credential_json: str) -> VerifiedPasskey | None:
        """Whose passkey answered a request; None for every answer that does not hold, or holds no more.

        `browser` is `visit.browser`. `amr_of` gives the methods that it adds. Raises JournalUnavailable.
        """
        verified = self._passkeys.verify(browser, state, credential_json, self._core.state.accounts)
        if verified is None or not await self._use(verified.once(self._core.digester)):
            return None
        return verified

    def new_passkey_request(self, browser: str, account: Account) -> tuple[str, str]:
        """Options JSON for `navigator.credentials.create()`, for the account page, and the sealed state that goes
        with its answer. Both are "" where passkeys are not available.
        """
        return self._passkeys.creation_request(browser, account)

    async def _use(self, once: SingleUse) -> bool:
        try:
            await self._core.journal.append(Append(new_stream(), 0, (), once=once))
        except AlreadyUsed:
            return False
        return True


def amr_of(verified: VerifiedPasskey) -> tuple[str, ...]:
    """How somebody signed in who did so by a passkey (RFC 8176): `pop`, and `user` where it verified its user."""
    return ("pop", "user") if verified.user_verified else ("pop",)
