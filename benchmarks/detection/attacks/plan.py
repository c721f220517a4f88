"""Which attacks there are, and when: each kind in both strengths, some times, at random moments after the learning."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from benchmarks.detection.attacks import bursts, passwords, secrets, tokens
from benchmarks.detection.attacks.raid import NoVictim, Raid
from benchmarks.detection.labels import Label, Strength
from benchmarks.detection.sim.schedule import DAY, HOUR, Process
from benchmarks.detection.sim.world import World

Attack = Callable[[Raid], Process]

ATTACKS: dict[str, Attack] = {
    attack.__name__: attack
    for attack in (
        tokens.refresh_token_reuse,
        tokens.refresh_token_replay,
        tokens.use_after_revocation,
        tokens.token_elsewhere,
        tokens.token_many_sources,
        tokens.many_subjects_one_source,
        secrets.client_secret_guessing,
        secrets.slow_secret_guessing,
        secrets.client_probing,
        secrets.scope_probing,
        secrets.new_scope,
        secrets.dormant_client,
        secrets.machine_new_source,
        secrets.machine_new_agent,
        bursts.issuance_burst,
        bursts.introspection_burst,
        passwords.password_guessing,
        passwords.slow_password_guessing,
        passwords.password_spray,
        passwords.credential_stuffing,
        passwords.impossible_travel,
    )
}
STRENGTHS: tuple[Strength, ...] = ("strong", "subtle")

_TRIES = 60
_LONGEST = 8
_ASLEEP = 20


def start_attacks(world: World, seed: int) -> list[Label]:
    """Let attackers loose; one label for each attack, which its attacker fills in."""
    random, attacked = Random(f"attacks of {seed}"), dict[int, float]()
    labels = []
    for kind, attack in ATTACKS.items():
        for strength in STRENGTHS:
            for number in range(1, world.size.instances + 1):
                label = Label(kind, strength, number)
                labels.append(label)
                after = random.uniform(_earliest(world, kind), _latest(world, kind)) * DAY
                raid = Raid(world, Random(random.getrandbits(64)), label, attacked)
                world.schedule.begin(_attack(raid, attack), after)
    return labels


def _attack(raid: Raid, attack: Attack) -> Process:
    """Try until there is a victim, some days at most."""
    for _ in range(_TRIES):
        try:
            yield from attack(raid)
        except NoVictim:
            if raid.label.positions:
                return
            raid.label.clear()
            yield raid.random.uniform(0.2, 1.5) * HOUR
        else:
            return


def _earliest(world: World, kind: str) -> float:
    return world.size.learning + (6 if kind == "dormant_client" and world.size.learning < _ASLEEP else 0)


def _latest(world: World, kind: str) -> float:
    lasts = _LONGEST if kind in {"slow_secret_guessing", "slow_password_guessing", "refresh_token_reuse"} else 2.5
    return max(_earliest(world, kind), world.size.days - lasts)
