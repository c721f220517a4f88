"""The query of a request for data. It is read more strictly than a form: a filter that is misspelt, repeated or empty
must not become no filter.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from service.errors import BadParameter
from service.http.request import every_field
from service.printable import printable

_SHOWN = 64

Query = Mapping[str, tuple[str, ...]]


def read_query(query: bytes, known: Collection[str], repeatable: Collection[str] = ()) -> Query:
    """The values of each parameter, one where it is not `repeatable`. Raises InvalidRequest or BadParameter."""
    fields = every_field(query)
    for name, values in fields.items():
        if name not in known:
            raise BadParameter("unknown_parameter", printable(name, _SHOWN), "There is no such parameter.")
        if len(values) > 1 and name not in repeatable:
            raise BadParameter("repeated_parameter", name, f"The parameter {name} is given more than once.")
        if not all(values):
            raise bad_parameter(name, "is empty")
    return fields


def bad_parameter(name: str, problem: str) -> BadParameter:
    """What to raise where the value of a parameter can mean nothing: `problem` goes on after its name."""
    return BadParameter("bad_parameter", name, f"The parameter {name} {problem}.")
