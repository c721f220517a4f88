"""What time it is for the grants that people gave: asked once a request, here."""

from __future__ import annotations

import time


def now() -> int:
    """Whole seconds since 1970-01-01 UTC."""
    return int(time.time())
