"""One page of every kind, filled the way it mostly is."""

from __future__ import annotations

from service.pages.models import (
    AccountPage,
    AppLine,
    ChangePasswordPage,
    ConsentPage,
    DeviceCodePage,
    DeviceConfirmPage,
    DonePage,
    ErrorPage,
    FormPostPage,
    Page,
    PasskeyLine,
    RecoveryCodesPage,
    ScopeGroup,
    ScopeLine,
    SecondFactorPage,
    SessionLine,
    SignInPage,
    SignOutPage,
    TotpPage,
)

NOON = 1_767_268_800
"""1 January 2026, 12:00 UTC."""

SCOPES = (
    ScopeGroup(
        title="",
        scopes=(
            ScopeLine(scope="openid", description="Know who you are"),
            ScopeLine(scope="email", description="See your e-mail address", is_new=True),
            ScopeLine(scope="offline_access", description="Keep access while you are away"),
        ),
    ),
    ScopeGroup(
        title="https://users.example.com/api",
        scopes=(
            ScopeLine(scope="users:read", description="Read the users"),
            ScopeLine(scope="users:write", description="Change users and invite new ones", is_new=True),
        ),
    ),
)

QR = '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><path d="M0 0h4v4h-4zM4 4h4v4h-4z"/></svg>'


def samples(qr_svg: str = QR) -> dict[str, Page]:
    """By name, for test ids and file names."""
    return {
        "error": ErrorPage(title="That did not work", message="The form is out of date. Go back, and try once more."),
        "sign_in": SignInPage(csrf="c", request="r", client_name="Ledger", passkey_options="{}", passkey_state="p"),
        "sign_in_error": SignInPage(
            csrf="c", name="zoe", error="Name or password is wrong.", passkey_options="{}", passkey_state="p"
        ),
        "second_factor": SecondFactorPage(
            csrf="c",
            state="s",
            methods=("otp", "recovery", "passkey"),
            request="r",
            client_name="Ledger",
            passkey_options="{}",
            passkey_state="p",
        ),
        "second_factor_passkey": SecondFactorPage(
            csrf="c", state="s", methods=("passkey",), passkey_options="{}", passkey_state="p"
        ),
        "consent": ConsentPage(
            csrf="c",
            request="r",
            client_name="Ledger",
            account_name="zoe",
            groups=SCOPES,
            returns_to="ledger.example.com",
        ),
        "consent_again": ConsentPage(
            csrf="c",
            request="r",
            client_name="Ledger",
            account_name="zoe",
            groups=SCOPES,
            returns_to="ledger.example.com",
            allowed_before=True,
        ),
        "form_post": FormPostPage(
            action="https://ledger.example.com/callback", fields={"code": "x", "state": "y"}, client_name="Ledger"
        ),
        "device_code": DeviceCodePage(csrf="c"),
        "device_code_error": DeviceCodePage(
            csrf="c", user_code="WDJB-MJHT", error="No device waits with this code. It may have expired."
        ),
        "device_confirm": DeviceConfirmPage(
            csrf="c",
            state="s",
            user_code="WDJB-MJHT",
            client_name="Living room TV",
            account_name="zoe",
            groups=SCOPES,
            requested_at=NOON,
            requested_from="203.0.113.9",
        ),
        "done": DonePage(title="Your device is connected", message="You can go back to it now, and close this page."),
        "sign_out": SignOutPage(csrf="c", state="s", account_name="zoe", client_name="Ledger"),
        "account": account(),
        "account_bare": AccountPage(
            csrf="c",
            account_name="zoe",
            email="",
            has_password=True,
            has_totp=False,
            recovery_codes_left=0,
            passkeys=(),
            sessions=(SessionLine(session="1", signed_in_at=NOON, expires_at=NOON, browser="Firefox", current=True),),
            apps=(),
            notice="Your password is changed.",
            error="That passkey could not be added.",
            passkey_options="{}",
            passkey_state="p",
        ),
        "change_password": ChangePasswordPage(csrf="c", account_name="zoe"),
        "change_password_error": ChangePasswordPage(
            csrf="c", account_name="zoe", error="The new password is too easy to guess: it is a common word."
        ),
        "totp": TotpPage(csrf="c", state="s", qr_svg=qr_svg, secret="JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP"),
        "recovery_codes": RecoveryCodesPage(codes=tuple(f"k7m2-9xq{n}-h4vd-tn3w" for n in range(10))),
    }


def account() -> AccountPage:
    """An account that has everything."""
    return AccountPage(
        csrf="c",
        account_name="zoe",
        email="zoe@example.com",
        has_password=True,
        has_totp=True,
        recovery_codes_left=7,
        passkeys=(
            PasskeyLine(credential_id="a", label="Work laptop", added_at=NOON),
            PasskeyLine(credential_id="b", label="Phone", added_at=NOON),
        ),
        sessions=(
            SessionLine(
                session="1", signed_in_at=NOON, expires_at=NOON + 43_200, browser="Firefox on Linux", current=True
            ),
            SessionLine(session="2", signed_in_at=NOON, expires_at=NOON + 43_200, browser="Safari on iPhone"),
        ),
        apps=(
            AppLine(client_id="ledger", client_name="Ledger", scopes=SCOPES[0].scopes, last_used_at=NOON),
            AppLine(client_id="tv", client_name="Living room TV", scopes=SCOPES[1].scopes),
        ),
        passkey_options="{}",
        passkey_state="p",
    )
