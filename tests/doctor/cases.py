"""The table of faults: what is amiss in the facts, and what must be found, and nothing else.

Every check has a row for each severity that it may have; `test_checks.py` holds that.
"""

from __future__ import annotations

from tests.doctor.cases_of_clients import CLIENT_CASES, USE_CASES
from tests.doctor.cases_of_http import ISSUER_CASES, REDIRECT_CASES, TLS_CASES
from tests.doctor.cases_of_servers import CLOCK_CASES, DATABASE_CASES, FILE_CASES, NATS_CASES, RECORD_CASES
from tests.doctor.cases_of_settings import KEY_CASES, LIMIT_CASES, TOKEN_CASES

CASES = {
    f"{group}: {name}": case
    for group, cases in (
        ("issuer", ISSUER_CASES),
        ("tls", TLS_CASES),
        ("redirect", REDIRECT_CASES),
        ("client", CLIENT_CASES),
        ("use", USE_CASES),
        ("token", TOKEN_CASES),
        ("key", KEY_CASES),
        ("limit", LIMIT_CASES),
        ("database", DATABASE_CASES),
        ("nats", NATS_CASES),
        ("record", RECORD_CASES),
        ("clock", CLOCK_CASES),
        ("file", FILE_CASES),
    )
    for name, case in cases.items()
}
