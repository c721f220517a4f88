"""A small real child for `up`: `serve FD` answers on the socket it was handed, `idle` waits to be ended."""

import signal
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer


class Ready(BaseHTTPRequestHandler):
    """Answers 200 to everything."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _serve(descriptor: int) -> None:
    server = HTTPServer(("", 0), Ready, bind_and_activate=False)
    server.socket.close()
    server.socket = socket.socket(fileno=descriptor)
    server.socket.setblocking(False)  # another worker may take the connection that both were told of
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.02)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        _serve(int(sys.argv[2]))
    elif sys.argv[1] == "idle":
        signal.sigwait([signal.SIGTERM])
    else:
        sys.exit("a child that always fails")
