"""Signing keys: their age, what is published of them, and whether verifiers have the next one in time."""

from __future__ import annotations

from collections.abc import Iterator

from projections.keyset import Key
from service.doctor.facts import KeyFacts
from service.doctor.finding import Check, Finding, Group, listed, spell

UNSEEN = Check(
    "signing-keys-unseen",
    ("fail",),
    "the signing keys can be read",
    "Which key signs and which are published is in the journal, which is in Postgres.",
    "`tallystick keys list` says what is in the way",
)
NO_KEY = Check(
    "signing-key-none",
    ("fail",),
    "a key signs",
    "Without a key no token is issued; the first worker that starts makes one.",
    "start `tallystick serve`, and look at its log",
)
OLD = Check(
    "signing-key-old",
    ("warn",),
    "the key that signs is at most 90 days old",
    "The longer a key signs, the more a copy of it is worth; rotation that is never practised fails when it is"
    " needed (NIST SP 800-57 part 1 section 5.3, OpenID Connect Core section 10.1.1).",
    "tallystick keys rotate",
)
NO_NEXT = Check(
    "signing-key-no-next",
    ("warn",),
    "a next key is published before the one that signs is 90 days old",
    "Verifiers that have the next key already do not notice the rotation (OpenID Connect Core section 10.1.1).",
    "tallystick keys rotate",
)
SLOW = Check(
    "signing-key-rsa",
    ("info",),
    "keys are of elliptic curves",
    "An RSA signature takes ten times as long to make as ES256 and is four times as large; RS256's padding is not"
    " the one that is recommended (RFC 8017 section 8, RFC 7518 section 3.1). Choose it where a verifier knows no"
    " other.",
    "export TALLYSTICK_SIGNING_ALG=ES256, then tallystick keys rotate --alg ES256",
)
OTHER_ALGORITHM = Check(
    "signing-key-other-algorithm",
    ("warn",),
    "the key that signs is of the algorithm of the settings",
    "The setting is for new keys; until the key is rotated tokens are signed as before.",
    "tallystick keys rotate --alg {alg}",
)
RETIRED_SHOWN = Check(
    "signing-key-retired-published",
    ("fail",),
    "no retired key is published",
    "Verifiers go on taking tokens of a key that they are shown; what a stolen one signs is taken, too (OpenID"
    " Connect Core section 10.1.1).",
    "see that all workers run this version and follow the journal: `tallystick projections list`; a proxy may hold"
    " an old copy of jwks.json",
)
NOT_RETIRED = Check(
    "signing-key-overdue",
    ("warn",),
    "superseded keys are retired on time",
    "A superseded key that outlives its last token is published and kept for nothing; the leading relay retires it.",
    "start `tallystick relay`, or `tallystick keys retire {kid}`",
)
HIDDEN = Check(
    "signing-key-not-published",
    ("fail",),
    "the keys that sign now and next are published",
    "Tokens of a key that is not published are refused by every API that verifies them (RFC 8414 section 2, jwks_uri).",
    "see that all workers run this version and follow the journal: `tallystick projections list`; a proxy may hold"
    " an old copy of jwks.json",
)
AHEAD_SHORT = Check(
    "key-publish-ahead-short",
    ("fail",),
    "a next key is published for longer than verifiers keep the old list",
    "A verifier may keep the keys for as long as it is told; a key that signs sooner is unknown to it, and its"
    " tokens are refused (RFC 9111 section 5.2.2.1, OpenID Connect Core section 10.1.1).",
    "export TALLYSTICK_KEY_PUBLISH_AHEAD=900 TALLYSTICK_JWKS_MAX_AGE=300, the first not below the second",
)
CHECKS = (UNSEEN, NO_KEY, OLD, NO_NEXT, SLOW, OTHER_ALGORITHM, RETIRED_SHOWN, NOT_RETIRED, HIDDEN, AHEAD_SHORT)

DAY = 86_400
MOST_DAYS = 90
TIME_FOR_NEXT = 75
_LATE = 3_600


def examine(facts: KeyFacts) -> Iterator[Finding]:
    """The findings on signing keys."""
    current = facts.keys.current
    if current is None:
        yield NO_KEY.found("no key signs")
    else:
        yield from _current(current, facts)
    yield from _published(facts)
    yield from _overdue(facts)
    ahead, kept = facts.settings.key_publish_ahead, facts.max_age
    told = facts.settings.jwks_max_age if kept is None else kept
    if ahead < told:
        sentence = f"the next key is published for {spell(ahead)}, and verifiers keep the list for {spell(told)}"
        yield AHEAD_SHORT.found(sentence, "TALLYSTICK_KEY_PUBLISH_AHEAD", "TALLYSTICK_JWKS_MAX_AGE")


def _current(current: Key, facts: KeyFacts) -> Iterator[Finding]:
    age = int(facts.now - current.activates_at) // DAY
    waits = any(key.status == "next" for key in facts.keys.keys.values())
    if age > MOST_DAYS:
        yield OLD.found(f"key {current.kid} has signed for {age} days", current.kid)
    if age > TIME_FOR_NEXT and not waits:
        yield NO_NEXT.found(
            f"key {current.kid} has signed for {age} days, and none is published to follow", current.kid
        )
    if current.alg in {"RS256", "PS256"}:
        yield SLOW.found(f"key {current.kid} signs by {current.alg}", current.kid)
    wanted = facts.settings.signing_alg
    if current.alg != wanted and not waits:
        sentence = f"key {current.kid} signs by {current.alg}, TALLYSTICK_SIGNING_ALG is {wanted}"
        yield OTHER_ALGORITHM.found(sentence, current.kid, alg=wanted)


def _published(facts: KeyFacts) -> Iterator[Finding]:
    if facts.published is None:
        yield from (check.unseen("jwks.json could not be fetched") for check in (RETIRED_SHOWN, HIDDEN))
        return
    shown = set(facts.published)
    keys = facts.keys.keys
    retired = [kid for kid in shown if kid not in keys or keys[kid].status == "retired"]
    if retired:
        yield RETIRED_SHOWN.found(f"published, and retired or unknown: {listed(retired)}", *sorted(retired))
    hidden = [kid for kid, key in keys.items() if key.status in {"current", "next"} and kid not in shown]
    if hidden:
        yield HIDDEN.found(f"signs now or next, and is not published: {listed(hidden)}", *sorted(hidden))


def _overdue(facts: KeyFacts) -> Iterator[Finding]:
    for key in facts.keys.keys.values():
        late = key.status == "previous" and key.retires_at is not None and facts.now - key.retires_at > _LATE
        if late:
            yield NOT_RETIRED.found(f"key {key.kid} should be retired, and is not", key.kid, kid=key.kid)


GROUP = Group("signing keys", CHECKS, examine, missing=UNSEEN)
