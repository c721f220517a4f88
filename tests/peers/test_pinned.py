from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.peers.catalogue import PEERS
from benchmarks.peers.peer import Peer

_PEERS = Path(__file__).parents[2] / "benchmarks" / "peers"


def test_no_pinned_file_names_a_registry() -> None:
    """A lock is good with any registry: it has digests, and no addresses."""
    locks = [*_PEERS.glob("*/package-lock.json"), *_PEERS.glob("*/requirements.lock"), *_PEERS.glob("*/go.*")]
    assert len(locks) >= 5
    for lock in locks:
        content = re.sub(r'"(?:url|funding|homepage)": "[^"]*"', "", lock.read_text())
        assert "://" not in content, lock


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_each_peer_says_what_it_is_and_in_what_it_differs(peer: Peer) -> None:
    """Of each, a version is pinned, and nobody is left to guess what is compared."""
    assert re.fullmatch(r"v?\d+\.\d+\.\d+", peer.version())
    assert peer.setting
    assert any("durable" in sentence for sentence in peer.differs)
    assert any("record" in sentence for sentence in peer.differs)
