"""What each page shows, as plain values; `service/pages/render.py` writes it as HTML.

Every page with a form has a `csrf` token. `request` is the sealed authorization request that the page is part of, if
any. Options for passkeys are JSON as the browser's WebAuthn calls take it. Times are in seconds.

A page's docstring names the forms that it posts, with their fields; `csrf` is in each of them. A passkey's form has
`passkey_state` as it was given, and `credential`: the browser's answer as JSON (WebAuthn Level 3 section 5.1).
"""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

Method = Literal["otp", "recovery", "passkey"]


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every page. `form_action` names what its forms may lead to beside this server (for the CSP)."""

    TEMPLATE: ClassVar[str]
    form_action: tuple[str, ...] = ()


class ErrorPage(Page, frozen=True, kw_only=True):
    """Something cannot be done; `message` says what, and what a person may do."""

    TEMPLATE: ClassVar[str] = "error.html"
    title: str
    message: str


class SignInPage(Page, frozen=True, kw_only=True):
    """Name and password, or a passkey. `client_name` is the application that waits, if one does.

    /sign-in: request, name, password. /sign-in/passkey: request, passkey_state, credential.
    """

    TEMPLATE: ClassVar[str] = "sign_in.html"
    csrf: str
    request: str = ""
    client_name: str = ""
    name: str = ""
    error: str = ""
    passkey_options: str = ""
    passkey_state: str = ""


class SecondFactorPage(Page, frozen=True, kw_only=True):
    """The second step of signing in, by one of the methods that the account has. `state` is sealed.

    /sign-in/second-factor: request, state, method (otp or recovery), code.
    /sign-in/passkey: request, state, passkey_state, credential.
    """

    TEMPLATE: ClassVar[str] = "second_factor.html"
    csrf: str
    state: str
    methods: tuple[Method, ...]
    request: str = ""
    client_name: str = ""
    error: str = ""
    passkey_options: str = ""
    passkey_state: str = ""


class ScopeLine(msgspec.Struct, frozen=True, kw_only=True):
    """A scope, in words; `is_new` where it was not allowed before."""

    scope: str
    description: str
    is_new: bool = False


class ScopeGroup(msgspec.Struct, frozen=True, kw_only=True):
    """The scopes asked for at one API (`title` is its URI), or about the person themselves (`title` is empty)."""

    title: str
    scopes: tuple[ScopeLine, ...]


class ConsentPage(Page, frozen=True, kw_only=True):
    """May this client do this? `returns_to` is the host, or scheme, that the answer goes to.

    /consent: request, decision (allow, deny, or switch: sign in as somebody else).
    """

    TEMPLATE: ClassVar[str] = "consent.html"
    csrf: str
    request: str
    client_name: str
    account_name: str
    groups: tuple[ScopeGroup, ...]
    returns_to: str
    allowed_before: bool = False

    @property
    def asks_more(self) -> bool:
        """Whether anything in it is new."""
        return any(line.is_new for group in self.groups for line in group.scopes)


class FormPostPage(Page, frozen=True, kw_only=True):
    """Posts an authorization response to the client (OAuth 2.0 Form Post Response Mode); a button without scripts."""

    TEMPLATE: ClassVar[str] = "form_post.html"
    action: str
    fields: dict[str, str]
    client_name: str = ""


class DeviceCodePage(Page, frozen=True, kw_only=True):
    """Enter the code that a device shows (RFC 8628 section 3.3).

    /device: user_code.
    """

    TEMPLATE: ClassVar[str] = "device_code.html"
    csrf: str
    user_code: str = ""
    error: str = ""


class DeviceConfirmPage(Page, frozen=True, kw_only=True):
    """May this device do this? Shows the code once more, to be compared (RFC 8628 section 5.4). `state` is sealed.

    /device/decision: state, decision (allow or deny).
    """

    TEMPLATE: ClassVar[str] = "device_confirm.html"
    csrf: str
    state: str
    user_code: str
    client_name: str
    account_name: str
    groups: tuple[ScopeGroup, ...]
    requested_at: int
    requested_from: str = ""


class DonePage(Page, frozen=True, kw_only=True):
    """Something is done; nothing is left to do here."""

    TEMPLATE: ClassVar[str] = "done.html"
    title: str
    message: str


class SignOutPage(Page, frozen=True, kw_only=True):
    """Do you want to sign out? `state` is the sealed logout request.

    /oauth2/logout/confirm: state, decision (sign_out or stay).
    """

    TEMPLATE: ClassVar[str] = "sign_out.html"
    csrf: str
    state: str
    account_name: str
    client_name: str = ""


class SessionLine(msgspec.Struct, frozen=True, kw_only=True):
    """A session of the account."""

    session: str
    signed_in_at: int
    expires_at: int
    browser: str
    current: bool = False


class AppLine(msgspec.Struct, frozen=True, kw_only=True):
    """An application that the person allowed something."""

    client_id: str
    client_name: str
    scopes: tuple[ScopeLine, ...]
    last_used_at: int | None = None


class PasskeyLine(msgspec.Struct, frozen=True, kw_only=True):
    """A passkey of the account."""

    credential_id: str
    label: str
    added_at: int


class AccountPage(Page, frozen=True, kw_only=True):
    """The person's own page: how they sign in, where they are signed in, and which applications they allow what.

    /account/sessions/end: session, or others=1. /account/apps/withdraw: client_id.
    /account/passkeys: action=add, label, credential, passkey_state; or action=remove, credential_id.
    /account/totp: action (begin or remove). /account/recovery-codes: nothing else.
    """

    TEMPLATE: ClassVar[str] = "account.html"
    csrf: str
    account_name: str
    email: str
    has_password: bool
    has_totp: bool
    recovery_codes_left: int
    passkeys: tuple[PasskeyLine, ...]
    sessions: tuple[SessionLine, ...]
    apps: tuple[AppLine, ...]
    notice: str = ""
    error: str = ""
    passkey_options: str = ""
    passkey_state: str = ""


class ChangePasswordPage(Page, frozen=True, kw_only=True):
    """Old password, new password.

    /account/password: old_password, new_password, repeat.
    """

    TEMPLATE: ClassVar[str] = "change_password.html"
    csrf: str
    account_name: str
    error: str = ""


class TotpPage(Page, frozen=True, kw_only=True):
    """Enrol an authenticator app: a picture to scan (SVG), the same as text, a code to prove it. `state` is sealed.

    `qr_svg` is a whole SVG document, with its xmlns and a white background.
    /account/totp: action=confirm, state, code.
    """

    TEMPLATE: ClassVar[str] = "totp.html"
    csrf: str
    state: str
    qr_svg: str
    secret: str
    error: str = ""


class RecoveryCodesPage(Page, frozen=True, kw_only=True):
    """New recovery codes, shown once."""

    TEMPLATE: ClassVar[str] = "recovery_codes.html"
    codes: tuple[str, ...]
