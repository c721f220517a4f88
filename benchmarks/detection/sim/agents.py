"""User agents: what software says that it is."""

from __future__ import annotations

from random import Random

_LIBRARIES = ("python-requests/2.{}.0", "Go-http-client/1.1", "okhttp/4.{}.0", "axios/1.{}.2", "Apache-HttpClient/5.{}")
_BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{}.1 Safari/605",
    "Mozilla/5.0 (X11; Linux x86_64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0",
)
_TOOLS = ("curl/8.5.0", "python-requests/2.31.0", "Go-http-client/2.0", "Wget/1.21.4", None)


def library(random: Random, name: str, release: int) -> str:
    """The user agent of a service: its own name and release, or only that of its HTTP library."""
    made = random.choice(_LIBRARIES).format(random.randrange(8, 31))
    return f"{name}/{1 + release // 10}.{release % 10} {made}" if random.random() < 0.6 else made


def next_release(agent: str, random: Random) -> str:
    """The user agent after a deploy: mostly a new release of the same, or of its library."""
    head, dot, tail = agent.rpartition(".")
    if not dot or random.random() < 0.3:
        return agent
    digits = "".join(filter(str.isdigit, tail)) or "0"
    return f"{head}.{int(digits) + 1}"


def browser(random: Random) -> str:
    """A browser at somebody's desk."""
    return random.choice(_BROWSERS).format(random.randrange(126, 131))


def phone_app(random: Random, name: str) -> str:
    """An application on a phone."""
    system = random.choice(("Android 14", "Android 15", "iOS 18.1", "iOS 17.6"))
    return f"{name}/5.{random.randrange(4)} ({system})"


def tool(random: Random) -> str | None:
    """What somebody in a hurry uses, who does not care how it looks."""
    return random.choice(_TOOLS)
