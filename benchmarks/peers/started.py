"""What is the same of all peers once they are started."""

from __future__ import annotations

from collections.abc import Mapping

import psutil

from benchmarks.load import Case
from benchmarks.peers.clients import Clients
from benchmarks.peers.code_flow import CodeFlow
from benchmarks.peers.peer import ROTATION_JWT, Fresh, Round
from benchmarks.peers.server import Server


class Started:
    """A peer of one server, whose state goes with it or lies in the run's folder; `start` sets what is not set here."""

    _rotation = ROTATION_JWT
    _server: Server
    _clients: Clients
    _flow: CodeFlow

    def stop(self) -> None:
        """End all of its processes."""
        self._server.stop()

    def processes(self) -> list[psutil.Process]:
        """The server and all that it started."""
        return self._server.processes()

    def fresh(self) -> Mapping[str, Fresh]:
        """Refresh rotation alone."""
        return {self._rotation: self._rotate}

    def _rotate(self, to_use: Round) -> Case:
        """Of grants that a person gave by the code flow."""
        return self._clients.rotation(self._rotation, self._flow.refresh_tokens(to_use.connections))
