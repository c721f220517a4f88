"""Every page in every state, as the service would send it, without the service."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator

from service.accounts.totp import qr_svg
from service.browser.visit import page_response
from service.endpoints.assets import serve_asset
from service.http.response import Response
from service.pages.asset_files import ASSETS
from tests.pages.samples import samples

PAGES = samples(qr_svg("otpauth://totp/localhost:zoe?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=localhost"))
_ANSWERS: dict[str, Response] = {
    **{f"/{name}": page_response(page, 200) for name, page in PAGES.items()},
    **{asset.path: serve_asset(asset) for asset in ASSETS.values()},
}


@contextlib.contextmanager
def running_gallery() -> Iterator[str]:
    """Serve the pages; the value is the address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """A page, or a file of it."""
        answer = _ANSWERS[self.path]
        self.send_response(answer.status)
        for name, value in (*answer.common, *answer.headers):
            self.send_header(name.decode(), value.decode())
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base class's name for it
        """Say nothing."""
