"""Histories that rules are tried on: what an attacker does, plainly and patiently, and what only looks like it."""

from __future__ import annotations

from collections.abc import Callable

from schema.events import AccountPasswordSet, ClientRegistered, ClientUpdated, TokenReuseDetected
from tests.anomalies.rules.history import ABROAD, DAY, HOME, HOUR, MINUTE, WEEK, History, grant_stream, token_of

Story = Callable[[], History]
CURL = "curl/8.5.0"


def settled(days: int = 9, client: str = "billing", hourly: int = 4) -> History:
    """A machine client that took tokens at home, the same number each hour, for days."""
    history = History()
    return history.every(HOUR / hourly, days * 24 * hourly, lambda: history.token(client))


def used(days: int = 9, hourly: int = 20) -> History:
    """A machine client whose tokens are introspected, the same number each hour."""
    history = History()
    return history.every(HOUR, days * 24, lambda: history.introspected(hourly))


def home(number: int) -> str:
    """An address in a network of its own."""
    return f"198.{18 + number // 250}.{number % 250}.9"


# --- tokens of people -------------------------------------------------------------------------------------


def reused() -> History:
    """An old refresh token comes again."""
    history = History().grant(1, "ann").wait(DAY).refresh(1, "ann").wait(MINUTE)
    detected = TokenReuseDetected(client_id="app", kind="refresh_token", generation=1)
    return history.write(detected, ABROAD, grant_stream(1))


def _reuse(history: History, source: str) -> History:
    detected = TokenReuseDetected(client_id="app", kind="refresh_token", generation=1, user_agent="App/5.1")
    return history.write(detected, source, grant_stream(1))


def reused_by_the_owner() -> History:
    """The thief rotates first, with whatever tool; the owner comes with the old one."""
    history = History().grant(1, "ann")
    history.every(DAY, 9, lambda: history.refresh(1, "ann")).refresh(1, "ann", ABROAD, user_agent=CURL)
    return _reuse(history.wait(HOUR), HOME)


def _ended(history: History, source: str, **changed: object) -> History:
    """Somebody comes with a token of a grant that has ended, and is refused."""
    fields = {"client_id": "app", "token_id": token_of(1, 0), "user_agent": "App/5.1"} | changed
    return history.wait(HOUR).rejected("grant_revoked", source, **fields)


def _daily() -> History:
    history = History().grant(1, "ann")
    return history.every(DAY, 9, lambda: history.refresh(1, "ann"))


def reused_by_a_lookalike() -> History:
    """The thief is late, and looks like the owner, in another network; the owner comes and finds the grant ended."""
    return _ended(_reuse(_daily(), ABROAD), HOME)


def reused_by_a_lookalike_first() -> History:
    """The thief rotates first, looking like the owner; the owner comes with the old one, then the thief again."""
    return _ended(_reuse(_daily().refresh(1, "ann", ABROAD).wait(HOUR), HOME), ABROAD)


def reused_and_newest_shown() -> History:
    """The old one comes from where the owner always is; then an API is shown the newest access token."""
    history = _reuse(_daily(), HOME).wait(HOUR)
    return history.rejected(
        "token_revoked", "10.0.0.1", endpoint="introspect", client_id="api", token_id=token_of(1, 2)
    )


def answer_never_came() -> History:
    """A phone never got the answer to a refresh, and comes hours later with the old token, at home."""
    return _reuse(_daily(), HOME).wait(MINUTE).grant(2, "ann")


def answer_never_came_on_the_way() -> History:
    """The same in a network that is new for it, by an app that tries twice and shows its old access token too."""
    history = _ended(_reuse(_daily(), ABROAD), ABROAD)
    shown = {"endpoint": "introspect", "client_id": "api", "token_id": token_of(1, 1)}
    return history.rejected("token_revoked", "10.0.0.1", **shown).wait(MINUTE).grant(2, "ann", ABROAD)


def replayed() -> History:
    """A rotation is repeated within seconds, by a tool somewhere else."""
    history = History().grant(1, "ann").wait(DAY).refresh(1, "ann").wait(3)
    return history.refresh(1, "ann", ABROAD, retry=True, user_agent=CURL)


def replayed_by_a_lookalike() -> History:
    """The same by software that says it is the same, in a network where the person never was."""
    history = History().grant(1, "ann")
    history.every(DAY, 9, lambda: history.refresh(1, "ann"))
    return history.wait(3).refresh(1, "ann", ABROAD, retry=True)


def refreshed_by_another_client() -> History:
    """A refresh token comes from a client that it was not issued to."""
    return (
        History()
        .grant(1, "ann")
        .wait(DAY)
        .rejected("refresh_token_of_other_client", ABROAD, client_id="other", token_id=token_of(1, 0))
    )


def answer_lost() -> History:
    """A phone asks again for an answer that was lost, from the phone company's network, as it did before."""
    history = History().grant(1, "ann")
    history.every(DAY, 9, lambda: history.refresh(1, "ann").wait(60).refresh(1, "ann", "198.51.100.3"))
    return history.refresh(1, "ann").wait(3).refresh(1, "ann", "198.51.100.3", retry=True)


def revoked_and_used() -> History:
    """The thief of a grant goes on from abroad after its end."""
    history = History().grant(1, "ann").wait(DAY).revoked(1).wait(20 * MINUTE)
    return history.every(MINUTE, 10, lambda: _still_refreshes(history))


def revoked_and_used_patiently() -> History:
    """Two attempts, hours apart."""
    history = History().grant(1, "ann").wait(DAY).revoked(1)
    return history.wait(HOUR).every(5 * HOUR, 2, lambda: _still_refreshes(history))


def revoked_and_noticed() -> History:
    """Within the grace an open window still shows the token; the phone is told the next day, where it never was."""
    history = History().grant(1, "ann").wait(DAY).revoked(1)
    shown = {"endpoint": "introspect", "client_id": "api", "token_id": token_of(1)}
    history.every(5, 60, lambda: history.rejected("token_revoked", "10.0.0.1", **shown))
    return _still_refreshes(history.wait(DAY))


def _still_refreshes(history: History) -> History:
    return history.rejected("grant_revoked", ABROAD, client_id="app", token_id=token_of(1, 0))


def passed_around() -> History:
    """A token is given to many."""
    history = History().grant(1, "ann").wait(MINUTE)
    for number in range(12):
        history.observed(1, home(number), subject="ann").wait(20)
    return history


def passed_around_patiently() -> History:
    """A token is given to some, who take their time."""
    history = History().grant(1, "ann").wait(MINUTE)
    for number in range(7):
        history.observed(1, home(number), subject="ann").wait(7 * MINUTE)
    return history


def on_the_way() -> History:
    """A phone changes networks all day."""
    history = History().grant(1, "ann")
    for number in range(24):
        history.wait(40 * MINUTE).observed(1, home(number), subject="ann")
    return history


def _machine_observed(source: str, **changed: object) -> History:
    history = settled()
    return history.observed(1, source, "billing", "billing", **changed)


def token_abroad() -> History:
    """A machine's token is used somewhere else."""
    history = _machine_observed(ABROAD, user_agent=CURL)
    return history.wait(MINUTE).observed(2, ABROAD, "billing", "billing", user_agent=CURL)


def token_abroad_once() -> History:
    """Once, by software that says it is the same."""
    return _machine_observed(ABROAD, user_agent="billing/1.4 httpx/0.27")


def token_abroad_after_moves() -> History:
    """Once, of a client whose hosts were shown in new networks in its first days, and asked for tokens there then."""
    history = settled(days=2)
    for number in range(4):
        history.observed(10 + number, home(number), "billing", "billing").wait(HOUR).token("billing", home(number))
    history.every(6 * HOUR, 30, history.token)
    return history.observed(1, ABROAD, "billing", "billing", user_agent="billing/1.4 httpx/0.27")


def token_within_the_house() -> History:
    """A machine's token is issued to one network of it and used from another."""
    history = settled().token(source="10.1.1.1").wait(MINUTE)
    return history.observed(1, "10.1.1.7", "billing", "billing", user_agent="billing/1.4 httpx/0.27")


def people_on_the_move() -> History:
    """An app's people turn up in ever new networks."""
    history = History()
    for number in range(60):
        history.grant(number, f"person {number}", home(number))
        history.wait(4 * HOUR).observed(number, home(number + 100), subject=f"person {number}", user_agent="App/5.1")
    return history


def hoard() -> History:
    """Tokens of many people come from one address."""
    history = History()
    for number in range(20):
        history.observed(number, ABROAD, subject=f"person {number}").wait(MINUTE)
    return history


def hoard_used_patiently() -> History:
    """The same, one in an hour."""
    history = History()
    for number in range(8):
        history.observed(number, ABROAD, subject=f"person {number}").wait(HOUR)
    return history


def conference() -> History:
    """Many people in one hotel, some with a token from before, the others get one there."""
    history = History()
    for number in range(20):
        history.grant(number, f"person {number}").wait(MINUTE)
        here = history.observed if number % 3 == 0 else history.refresh
        here(number, subject=f"person {number}", source=ABROAD)
    return history


def back_end() -> History:
    """An application's back end has two networks, and shows tokens from one that it got in the other."""
    history = History()
    for number in range(20):
        person = {"subject": f"person {number}", "grant_type": "authorization_code"}
        history.token("web", "10.1.1.1", **person).token("web", "10.1.2.1", **person)
        history.wait(MINUTE).observed(number, "10.1.2.1", "web", f"person {number} later")
    return history


# --- secrets of machines ----------------------------------------------------------------------------------


def guessed(source: str = ABROAD, times: int = 43, pause: float = 7) -> History:
    """Secrets of a client are tried."""
    history = settled()
    return history.every(pause, times, lambda: history.rejected("bad_secret", source, client_id="billing"))


def guessed_in_turns() -> History:
    """From some homes, a few minutes apart."""
    history = settled()
    for number in range(15):
        history.rejected("bad_secret", home(number % 4), client_id="billing").wait(3 * MINUTE)
    return history


def secrets_of_many() -> History:
    """One address tries the secrets of several clients."""
    history = History()
    for number in range(6):
        history.rejected("bad_secret", ABROAD, client_id=f"client-{number}").wait(MINUTE)
    return history


def rotated_secret() -> History:
    """A forgotten host goes on with the old secret."""
    return guessed(HOME, 60, MINUTE)


def guessed_slowly() -> History:
    """An hour between two guesses, each from another home."""
    history = settled()
    for number in range(30):
        history.rejected("bad_secret", home(number), client_id="billing").wait(HOUR)
    return history


def names_of_clients() -> History:
    """Names are tried out, after a week of the internet's noise."""
    history = noise()
    for number in range(30):
        history.rejected("unknown_client", ABROAD, claimed_client=f"billing-{number}").wait(5)
    return history


def names_of_clients_slowly() -> History:
    """Five homes try a name in a while."""
    history = noise()
    for number in range(40):
        history.rejected("unknown_client", home(number % 5), claimed_client=f"billing-{number}").wait(20 * MINUTE)
    return history


def noise() -> History:
    """Scanners try the same names from ever other places; a removed client goes on asking."""
    history = History()
    for number in range(100):
        history.rejected("unknown_client", HOME, claimed_client="removed")
        for name in ("admin", "test", "demo", "client", "oauth", "api", "web", "app"):
            history.rejected("unknown_client", home(number), claimed_client=name).wait(2)
        history.wait(2 * HOUR)
    return history


def probed() -> History:
    """Everything is asked for."""
    history = settled(1)
    for number in range(12):
        history.rejected("scope_not_allowed", ABROAD, client_id="billing", detail=f"scope-{number}").wait(5)
    return history


def probed_slowly() -> History:
    """A few things, hours apart."""
    history = settled(1)
    for number in range(5):
        history.rejected("resource_not_allowed", HOME, client_id="billing", detail=f"urn:{number}").wait(3 * HOUR)
    return history


def wrong_setting() -> History:
    """A release asks for the same wrong scope again and again."""
    history = settled(1)
    wrong = {"client_id": "billing", "detail": "write"}
    return history.every(5, 200, lambda: history.rejected("scope_not_allowed", HOME, **wrong))


def asks_for_more() -> History:
    """An old client asks for a scope that it never asked for, and a resource."""
    return settled().token(scope="read admin").wait(MINUTE).token(audience="https://other.example", scope="list")


def asks_for_more_once() -> History:
    """Once."""
    return settled().token(scope="export")


def given_more() -> History:
    """A client is given a scope, and the next release asks for it."""
    history = History().write(ClientRegistered(client_id="billing", auth_method="none", scopes=("read",)))
    history.every(HOUR, 9 * 24, history.token)
    history.write(ClientUpdated(client_id="billing", auth_method="none", scopes=("read", "write")))
    return history.wait(HOUR).token(scope="read write")


def young_client_asks() -> History:
    """A client in its first days asks for this and that."""
    history = settled(2)
    for scope in ("write", "list", "export"):
        history.token(scope=scope).wait(HOUR)
    return history


# --- how much, and when -----------------------------------------------------------------------------------


def burst(times: int = 200) -> History:
    """Tokens are taken by the hundred."""
    history = settled()
    return history.every(5, times, history.token)


def small_burst() -> History:
    """Four times as many as usual, for an hour and a half."""
    history = settled(hourly=12)
    return history.every(75, 72, history.token)


def short_burst() -> History:
    """Six times as many as usual, for a quarter of an hour: no more than a busy hour's."""
    history = settled(hourly=40)
    return history.every(15, 60, history.token)


def _evenings() -> History:
    """An app in which somebody signs in each hour."""
    history = History()
    for number in range(9 * 24):
        history.grant(number, f"person {number % 8}").wait(HOUR)
    return history


def refreshed_in_a_rush() -> History:
    """A program refreshes one grant again and again, long before its tokens' ten minutes are over."""
    history = _evenings()
    return history.every(90, 60, lambda: history.refresh(1, "person 1"))


def refresh_tokens_of_many() -> History:
    """Refresh tokens that lay about for days are used, one after the other."""
    history = _evenings()
    for number in range(40):
        history.refresh(number, f"person {number % 8}").wait(MINUTE)
    return history


def late_evening() -> History:
    """Six people stay for three hours, and their apps refresh what has run out."""
    history = _evenings()
    for _ in range(15):
        for number in range(6):
            history.refresh(210 + number, f"person {number}").wait(2 * MINUTE)
    return history


def deploy() -> History:
    """All hosts restart at once; then everything is as before."""
    history = settled(hourly=12)
    history.every(2, 8, history.token)
    return history.every(5 * MINUTE, 24, history.token)


def holiday() -> History:
    """A client that works on weekdays learns a week with a holiday in it, and works on that day of the next week."""
    history = History()
    for day in range(16):
        tokens = 0 if day % 7 >= 5 or day == 1 else 240
        history.wait(8 * HOUR).every(2 * MINUTE, tokens, history.token).wait(8 * HOUR + (0 if tokens else 8 * HOUR))
    return history


def new_home() -> History:
    """A television, which never moved, is in another network."""
    history = History()
    for number in range(9 * 24):
        history.grant(number % 3, f"person {number % 3}", client="tv").wait(HOUR)
    return history.observed(1, home(7), "tv", "person 1", user_agent="App/5.1")


def restart() -> History:
    """Thirty hosts restart within two minutes."""
    history = settled()
    history.every(4, 30, history.token)
    return history.every(15 * MINUTE, 24, history.token)


def books_closed() -> History:
    """A client that works as people do has three times as much to do on the last day of a month."""
    history = History()
    for day in range(30):  # from the second of a month of 31 days
        tokens, gap = (180, 160) if day >= 28 else (60, 480)
        history.wait(8 * HOUR).every(gap, tokens, history.token).wait(8 * HOUR)
    return history


def by_day() -> History:
    """A client that is busy in the mornings alone, week after week."""
    history = History()
    for _ in range(21):
        history.wait(8 * HOUR).every(HOUR / 60, 120, history.token).wait(14 * HOUR)
    return history


def at_night() -> History:
    """As busy as in the mornings, in the night."""
    history = by_day().wait(2 * HOUR)
    return history.every(HOUR / 60, 60, history.token)


def fetched(times: int = 300) -> History:
    """A token is used to fetch everything."""
    history = used()
    return history.every(MINUTE, 15, lambda: history.introspected(times))


def fetched_patiently() -> History:
    """Four times the usual, for an hour and a half."""
    history = used()
    return history.every(MINUTE, 90, lambda: history.introspected(2))


def asked_about_nothing() -> History:
    """An API is shown tokens that there are not, by the hundred."""
    history = History()
    unknown = {"endpoint": "introspect", "client_id": "api"}
    history.every(HOUR, 9 * 24, lambda: history.rejected("token_unknown", "10.0.0.1", **unknown))
    return history.every(2, 120, lambda: history.rejected("token_malformed", "10.0.0.1", **unknown))


def woke() -> History:
    """A client is silent for three weeks, and then somebody uses it from abroad."""
    return settled(3).wait(3 * WEEK).token(source=ABROAD, user_agent=CURL)


def woke_at_home() -> History:
    """The same from where it always came from."""
    return settled(3).wait(3 * WEEK).token()


def weekly() -> History:
    """A client that runs once a week, and misses a run."""
    history = History()
    return history.every(WEEK, 5, history.token).wait(WEEK).token()


# --- newcomers --------------------------------------------------------------------------------------------


def stolen() -> History:
    """A secret is used from another network by another tool."""
    return settled().token(source=ABROAD, user_agent=CURL).wait(MINUTE).token(source=ABROAD, user_agent=CURL)


def stolen_by_a_lookalike() -> History:
    """Once from another network, by software that says it is the same; the client goes on."""
    history = settled().token(source=ABROAD).wait(MINUTE)
    return history.every(15 * MINUTE, 40, history.token)


def moved() -> History:
    """All hosts of a client move to another network, within an hour."""
    history = settled()
    for _ in range(4):
        history.token().wait(MINUTE).token(source="10.9.9.1").wait(10 * MINUTE)
    return history.every(15 * MINUTE, 400, lambda: history.token(source="10.9.9.1"))


def failed_over() -> History:
    """A client runs in another data centre for hours, and comes back."""
    history = settled()
    history.every(15 * MINUTE, 12, lambda: history.token(source="10.9.9.1"))
    return history.every(15 * MINUTE, 96, history.token)


def more_hosts() -> History:
    """New hosts in the networks that a client is at home in."""
    history = settled()
    for number in range(50):
        history.token(source=f"192.0.2.{number + 20}").wait(15 * MINUTE)
    return history


def ever_new() -> History:
    """A client that runs in ever new networks."""
    history = History()
    for number in range(200):
        history.token(source=home(number)).wait(2 * HOUR)
    return history


def by_hand() -> History:
    """A client's secret is used by a person with a tool, on a host of it."""
    return settled().token(user_agent=CURL)


def other_software() -> History:
    """Once by another library; the client goes on as before."""
    history = settled().token(user_agent="axios/1.7.2").wait(MINUTE)
    return history.every(15 * MINUTE, 40, history.token)


def new_release() -> History:
    """A release, and then one with another library, after which the old one is gone."""
    history = settled()
    history.every(15 * MINUTE, 96, lambda: history.token(user_agent="billing/1.5 httpx/0.28"))
    return history.every(15 * MINUTE, 400, lambda: history.token(user_agent="billing/2.0 aiohttp/3.10"))


# --- people -----------------------------------------------------------------------------------------------


def account_guessed() -> History:
    """The password of somebody is guessed from abroad."""
    history = History().signed_in("ann").wait(DAY)
    return history.every(10, 30, lambda: history.failed("ann", ABROAD))


def account_guessed_in_turns() -> History:
    """From three homes, just under the limit."""
    history = History().signed_in("ann").wait(DAY)
    for number in range(30):
        history.failed("ann", home(number % 3)).wait(130)
    return history


def account_guessed_slowly() -> History:
    """One guess in two hours, each from another home."""
    history = History().signed_in("ann").wait(DAY)
    for number in range(40):
        history.failed("ann", home(number)).wait(2 * HOUR)
    return history


def old_password() -> History:
    """A program at home goes on with the old password; on the way somebody mistypes, and gets in."""
    history = History().signed_in("ann").wait(DAY).write(AccountPasswordSet(subject="ann"))
    history.every(30, 60, lambda: history.failed("ann"))
    history.every(4 * MINUTE, 8, lambda: history.failed("ann", "198.51.100.3"))
    for number in range(40):
        history.wait(DAY / 4).failed("ann", home(number)).wait(9).failed("ann", home(number)).wait(9)
        history.signed_in("ann", home(number))
    return history


def sprayed() -> History:
    """One password for every account."""
    history = History()
    for number in range(60):
        history.failed(f"person {number}", ABROAD).wait(30)
    return history


def sprayed_within_a_network() -> History:
    """The same from a few addresses of one network, among whom nobody tries many."""
    history = History()
    for number in range(20):
        history.failed(f"person {number}", f"203.0.113.{number % 5}").wait(2 * MINUTE)
    return history


def sprayed_slowly() -> History:
    """An account in an hour and a half, from one home."""
    history = History()
    for number in range(14):
        history.failed(f"person {number}", ABROAD).wait(100 * MINUTE)
    return history


def office() -> History:
    """On Monday morning many mistype behind one address, and get in; some give up."""
    history = History()
    for number in range(120):
        if number % 4 == 0:
            history.failed(f"person {number}").wait(9)
        if number % 12:
            history.signed_in(f"person {number}")
        history.wait(20)
    return history


def bots(days: int = 9) -> History:
    """Programs try the names that every system has, from everywhere."""
    history = History()
    for number in range(days * 12):
        history.failed(None, home(number), name=f"noise {number % 7}").wait(2 * HOUR)
    return history


def stuffed() -> History:
    """Names of a leak are tried from many places."""
    history = bots()
    for number in range(300):
        history.failed(None, home(number % 20), name=f"leaked {number}").wait(5)
    return history


def stuffed_patiently() -> History:
    """Two minutes apart, from ninety homes."""
    history = bots()
    for number in range(160):
        history.failed(None, home(number % 90), name=f"leaked {number}").wait(2 * MINUTE)
    return history


def in_two_places() -> History:
    """Somebody signs in at home, and twenty minutes later on the other side of the world."""
    history = History()
    history.every(DAY, 16, lambda: history.signed_in("ann"))
    return history.signed_in("ann").wait(20 * MINUTE).signed_in("ann", ABROAD)


def in_two_places_slowly() -> History:
    """Four hours later."""
    history = History()
    history.every(DAY, 16, lambda: history.signed_in("ann"))
    return history.signed_in("ann").wait(4 * HOUR).signed_in("ann", ABROAD)


def in_two_countries() -> History:
    """Where the table knows countries alone: half an hour later in another one."""
    history = History()
    history.every(DAY, 16, lambda: history.signed_in("ann", "60.0.0.1"))
    return history.signed_in("ann", "60.0.0.1").wait(30 * MINUTE).signed_in("ann", "61.0.0.1")


def journey() -> History:
    """A flight; a tunnel that somebody always has; a train to the next city."""
    history = History()
    for _ in range(16):
        history.signed_in("ann").wait(10 * MINUTE).signed_in("ann", "62.0.0.1").wait(DAY)
    history.signed_in("bob").wait(20 * DAY).signed_in("bob").wait(13 * HOUR).signed_in("bob", ABROAD)
    return history.signed_in("eve").wait(20 * DAY).signed_in("eve").wait(2 * HOUR).signed_in("eve", "198.51.100.1")


ATTACKS: dict[str, tuple[Story, ...]] = {
    "refresh_token_reuse": (
        *(reused, reused_by_the_owner, reused_by_a_lookalike, reused_by_a_lookalike_first, reused_and_newest_shown),
    ),
    "refresh_token_replay": (replayed, replayed_by_a_lookalike, refreshed_by_another_client),
    "use_after_revocation": (revoked_and_used, revoked_and_used_patiently),
    "token_elsewhere": (token_abroad, token_abroad_once, token_abroad_after_moves),
    "token_many_sources": (passed_around, passed_around_patiently),
    "many_subjects_one_source": (hoard, hoard_used_patiently),
    "client_secret_guessing": (guessed, guessed_in_turns, secrets_of_many),
    "client_probing": (names_of_clients, names_of_clients_slowly),
    "password_guessing": (account_guessed, account_guessed_in_turns),
    "password_spray": (sprayed, sprayed_within_a_network),
    "credential_stuffing": (stuffed, stuffed_patiently),
    "slow_guessing": (guessed_slowly, account_guessed_slowly, sprayed_slowly),
    "scope_probing": (probed, probed_slowly),
    "new_scope": (asks_for_more, asks_for_more_once),
    "issuance_burst": (*(burst, small_burst, short_burst, at_night, refreshed_in_a_rush, refresh_tokens_of_many),),
    "introspection_burst": (fetched, fetched_patiently, asked_about_nothing),
    "dormant_client": (woke, woke_at_home),
    "new_network": (stolen, stolen_by_a_lookalike),
    "new_user_agent": (by_hand, other_software),
    "impossible_travel": (in_two_places, in_two_places_slowly, in_two_countries),
}
"""By rule: the plain attack first, then patient ones."""

INNOCENT: tuple[Story, ...] = (
    settled,
    used,
    answer_lost,
    answer_never_came,
    answer_never_came_on_the_way,
    revoked_and_noticed,
    on_the_way,
    token_within_the_house,
    people_on_the_move,
    new_home,
    conference,
    back_end,
    rotated_secret,
    noise,
    wrong_setting,
    given_more,
    young_client_asks,
    late_evening,
    deploy,
    restart,
    books_closed,
    holiday,
    by_day,
    weekly,
    moved,
    failed_over,
    more_hosts,
    ever_new,
    new_release,
    old_password,
    office,
    bots,
    journey,
)
"""What no rule may speak of."""
