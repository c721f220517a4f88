"""Receive Tallystick's webhooks, and believe only those that are signed (docs/webhooks.md).

    WEBHOOK_SECRET=whsec_… python examples/webhook_receiver.py 8090

It needs nothing but Python. Put it behind something that speaks TLS. An event may come more than once: act once on each
`webhook-id`. Answer within ten seconds; what is not answered with 2xx comes again.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import sys
import threading
import time
from base64 import b64decode, b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))
TOLERANCE = 300
LARGEST = 1_000_000


class Receiver(BaseHTTPRequestHandler):
    """Prints the body of each message that is genuine and new."""

    protocol_version = "HTTP/1.1"
    seen: dict[str, None] = {}  # noqa: RUF012 shared by all requests; keep it in your database
    alone = threading.Lock()

    def do_POST(self) -> None:
        """Verify, act, answer."""
        length = self.headers["content-length"] or "0"
        if not length.isdecimal() or len(length) > len(str(LARGEST)) or int(length) > LARGEST:
            self.close_connection = True
            self.send_error(413)
            return
        body = self.rfile.read(int(length))
        name, sent = self.headers["webhook-id"] or "", self.headers["webhook-timestamp"] or "0"
        signed = f"{name}.{sent}.".encode() + body
        expected = "v1," + b64encode(hmac.digest(SECRET, signed, hashlib.sha256)).decode()
        given = (self.headers["webhook-signature"] or "").split()
        recent = sent.isdecimal() and abs(time.time() - int(sent)) < TOLERANCE
        genuine = recent and any(hmac.compare_digest(expected, each) for each in given)
        if genuine:
            self.act_once(name, body.decode())
        self.send_response(204 if genuine else 401)
        self.send_header("content-length", "0")
        self.end_headers()

    def act_once(self, name: str, event: str) -> None:
        """Different subjects come side by side, and a repeat may meet the first."""
        with self.alone:
            if name not in self.seen:
                print(event, flush=True)
                self.seen[name] = None

    def log_message(self, *_: object) -> None:
        """Nothing but events is printed."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
