"""From when on a rule speaks. Every field is documented in `docs/settings.md`; a test holds the two equal."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Span = Annotated[int, Meta(ge=1, le=31_536_000)]
"""Seconds."""
Share = Annotated[float, Meta(ge=0, le=1_000)]


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of the anomaly rules, each set by `TALLYSTICK_ANOMALY_…`. Spans are in seconds."""

    kept_keys: Count = 50_000
    kept_clients: Count = 10_000
    warm_up: Span = 604_800
    long_window: Span = 604_800

    guessing_window: Span = 3_600
    secret_guesses: Count = 8
    secret_guesses_at_home: Count = 400
    secret_guess_clients: Count = 4
    unknown_clients: Count = 6
    unknown_clients_everywhere: Count = 20

    sign_in_window: Span = 3_600
    password_guesses: Count = 12
    spray_accounts: Count = 8
    spray_share: Share = 0.5
    stuffing_networks: Count = 6
    stuffing_floor: Count = 10
    stuffing_ratio: Share = 1.5
    stuffing_deviations: Share = 5.0

    slow_guesses: Count = 10
    slow_accounts: Count = 8
    slow_span: Span = 21_600

    probed_scopes: Count = 4

    reuse_settled: Span = 259_200
    replays: Count = 4
    revoked_grace: Span = 900
    revoked_uses: Count = 3

    grant_networks: Count = 6
    grant_window: Span = 3_600
    elsewhere_networks: Count = 3
    shared_subjects: Count = 6
    shared_window: Span = 86_400

    burst_ratio: Share = 1.2
    issuance_deviations: Share = 5.5
    introspection_deviations: Share = 4.0
    issuance_floor: Count = 14
    issuance_moment: Count = 60
    issuance_closing: Share = 3.0
    introspection_floor: Count = 90
    burst_peak: Share = 0.3
    inactive_floor: Count = 30

    asleep: Span = 1_209_600
    newcomer_soon: Span = 3_600
    newcomer_settle: Span = 14_400
    newcomer_share: Share = 20.0
    newcomer_adopt: Span = 259_200
    wandering: Count = 4

    travel_speed: Count = 1_000
    travel_distance: Count = 500
    travel_minutes: Count = 60
    travel_minutes_far: Count = 300
