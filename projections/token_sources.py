"""From which networks each grant's tokens were seen to come, beside where they were issued to; bounded."""

from __future__ import annotations

from collections import OrderedDict

from schema.events import TokenSourceObserved
from schema.networks import network_of

_GRANTS = 50_000
_NETWORKS = 64


class TokenSources:
    """The networks seen for the grants that were seen last; of a grant with `_NETWORKS` of them no more are noted."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, set[str]] = OrderedDict()

    def is_new(self, grant_id: str, network: str) -> bool:
        """Whether a network is one to note."""
        seen = self._seen.get(grant_id)
        return seen is None or (network not in seen and len(seen) < _NETWORKS)

    def note(self, grant_id: str, network: str) -> None:
        """From now on the network is known."""
        self._seen.setdefault(grant_id, set()).add(network)
        self._seen.move_to_end(grant_id)
        if len(self._seen) > _GRANTS:
            self._seen.popitem(last=False)

    def forget(self, grant_id: str, network: str) -> None:
        """The network may be noted again."""
        self._seen.get(grant_id, set()).discard(network)

    def apply(self, observed: TokenSourceObserved) -> None:
        """Fold what any worker observed."""
        self.note(observed.token_id.rpartition(".")[0], network_of(observed.source))
