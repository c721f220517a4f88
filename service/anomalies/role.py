"""The anomaly engine as a role: a part of `tallystick consume`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from consumers.anomalies.contract import Rule
from consumers.anomalies.countries import Countries, CountriesError
from consumers.anomalies.ledger import Ledger
from consumers.anomalies.partition import Partition
from consumers.anomalies.partitions import Partitions
from consumers.anomalies.rule import all_rules
from consumers.anomalies.thresholds import Thresholds
from service.anomalies.deeds import Deeds
from service.anomalies.policy import parse_policy
from service.anomalies.telling import Teller
from service.journal.postgres import PostgresJournal
from service.settings import Settings, SettingsError, load_thresholds

DAY = 86_400.0

# A rule that is off for lack of a table is a rule all the same.
_OPTIONAL = ("impossible_travel",)

MakeRules = Callable[[], Sequence[Rule]]


def rules_of(settings: Settings, thresholds: Thresholds) -> MakeRules:
    """What makes fresh rules. Raises SettingsError when the table of countries cannot be read."""
    if settings.country_database is None:
        return partial(all_rules, thresholds)
    try:
        return partial(all_rules, thresholds, Countries(settings.country_database))
    except CountriesError as error:
        raise SettingsError(f"TALLYSTICK_COUNTRY_DATABASE: {error}") from error


def rule_names(make_rules: MakeRules) -> tuple[str, ...]:
    """The names of all rules, those that are off included."""
    return tuple(dict.fromkeys((*(rule.name for rule in make_rules()), *_OPTIONAL)))


def check_settings(settings: Settings) -> None:
    """Raise SettingsError for what `tallystick consume` would not start with."""
    parse_policy(settings.anomaly_responses, rule_names(rules_of(settings, load_thresholds())))


def make_partitions(url: str, nats_url: str, settings: Settings, journal: PostgresJournal) -> Partitions:
    """The partitions of this process, on the database at `url`. Raises SettingsError."""
    make_rules = rules_of(settings, load_thresholds())
    policy = parse_policy(settings.anomaly_responses, rule_names(make_rules))
    teller = Teller(journal, Deeds(url, journal), policy)

    async def work(ledger: Ledger) -> None:
        await Partition(
            ledger,
            nats_url,
            make_rules,
            teller.deliver,
            quiet=settings.anomaly_quiet,
            relearn=settings.anomaly_relearn * DAY,
        ).run()

    return Partitions(url, nats_url, settings.anomaly_partitions, work)
