"""All the rules.

By name, with what each signal is about:

    refresh_token_reuse         grant     a code or refresh token came a second time, and not from its one holder
    refresh_token_replay        grant     a rotation repeated from another network, or more often than answers get lost
    use_after_revocation        grant     tokens of a grant keep coming, or come from elsewhere, after it was revoked
    token_elsewhere             client    tokens of a client are used from a network unlike all before
    token_many_sources          grant     the tokens of one grant come from many networks
    many_subjects_one_source    source    tokens of many people come from one address
    client_secret_guessing      client, source    wrong secrets or assertions, in minutes
    client_probing              source    names of clients that do not exist
    password_guessing           subject   many wrong passwords or codes of one account, in minutes
    password_spray              source    few wrong passwords for each of many accounts, from one network
    credential_stuffing         sign-in   names tried once each, from many networks, beyond what is usual
    slow_guessing               source, subject, client    guesses that stay under every limit, over days
    scope_probing               client, source    requests for scopes or resources that are refused
    new_scope                   client    an old client asks for a scope or a resource as never before
    issuance_burst              client    more tokens than ever at this hour of the week
    introspection_burst         client    more introspections than ever at this hour of the week, or many of nothing
    dormant_client              client    a client that slept for weeks wakes
    new_network                 client    a machine client's credentials come from a network as never before
    new_user_agent              client    a machine client's credentials come with software as never before
    impossible_travel           subject   one person in two places, too far apart for the time between
"""

from __future__ import annotations

from consumers.anomalies.contract import Rule, Signal
from consumers.anomalies.countries import Countries
from consumers.anomalies.rules.bursts import IntrospectionBurst, IssuanceBurst
from consumers.anomalies.rules.client_probing import ClientProbing
from consumers.anomalies.rules.dormant import DormantClient
from consumers.anomalies.rules.elsewhere import TokenElsewhere
from consumers.anomalies.rules.many_sources import TokenManySources
from consumers.anomalies.rules.many_subjects import ManySubjectsOneSource
from consumers.anomalies.rules.new_scope import NewScope
from consumers.anomalies.rules.newcomers import NewNetwork, NewUserAgent
from consumers.anomalies.rules.password_guessing import PasswordGuessing
from consumers.anomalies.rules.password_spray import PasswordSpray
from consumers.anomalies.rules.replay import RefreshTokenReplay
from consumers.anomalies.rules.reuse import RefreshTokenReuse
from consumers.anomalies.rules.revoked import UseAfterRevocation
from consumers.anomalies.rules.scope_probing import ScopeProbing
from consumers.anomalies.rules.secret_guessing import ClientSecretGuessing
from consumers.anomalies.rules.slow_guessing import SlowGuessing
from consumers.anomalies.rules.stuffing import CredentialStuffing
from consumers.anomalies.rules.travel import ImpossibleTravel
from consumers.anomalies.thresholds import Thresholds

__all__ = ["Countries", "Rule", "Signal", "Thresholds", "all_rules"]


def all_rules(thresholds: Thresholds, countries: Countries | None = None) -> list[Rule]:
    """Every rule, fresh; impossible travel only where there is a table of countries."""
    rules: list[Rule] = [
        RefreshTokenReuse(thresholds),
        RefreshTokenReplay(thresholds),
        UseAfterRevocation(thresholds),
        TokenElsewhere(thresholds),
        TokenManySources(thresholds),
        ManySubjectsOneSource(thresholds),
        ClientSecretGuessing(thresholds),
        ClientProbing(thresholds),
        PasswordGuessing(thresholds),
        PasswordSpray(thresholds),
        CredentialStuffing(thresholds),
        SlowGuessing(thresholds),
        ScopeProbing(thresholds),
        NewScope(thresholds),
        IssuanceBurst(thresholds),
        IntrospectionBurst(thresholds),
        DormantClient(thresholds),
        NewNetwork(thresholds),
        NewUserAgent(thresholds),
    ]
    return rules if countries is None else [*rules, ImpossibleTravel(thresholds, countries)]
