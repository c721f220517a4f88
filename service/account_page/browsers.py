"""A browser's name, short and readable, from its User-Agent. A hint for people: anybody can send any."""

from __future__ import annotations

from service.printable import printable

_UNKNOWN = "Unknown browser"
_SHOWN = 60

# Browsers say that they are like others: whoever stands first here is meant.
_BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser/": "Samsung Internet",
    "Vivaldi/": "Vivaldi",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "CriOS/": "Chrome",
    "Chromium/": "Chromium",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
_SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "CrOS": "ChromeOS",
    "Mac OS X": "macOS",
    "Linux": "Linux",
}


def browser_name(user_agent: str | None) -> str:
    """Such as `Firefox on Linux`; of a program that is no browser, the first word of what it says it is."""
    if not user_agent:
        return _UNKNOWN
    browser = _first(_BROWSERS, user_agent)
    if browser is None:
        return printable(user_agent.split(" ")[0], _SHOWN) or _UNKNOWN
    system = _first(_SYSTEMS, user_agent)
    return browser if system is None else f"{browser} on {system}"


def _first(names: dict[str, str], user_agent: str) -> str | None:
    return next((name for mark, name in names.items() if mark in user_agent), None)
