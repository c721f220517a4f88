"""One request on its way through an OAuth endpoint, and how every such endpoint answers.

Promise 1 lives here: a refusal is answered only after its event is committed, and what cannot be committed is
answered 503. Where there are too many, refusals are counted, and the counts are the event (`service/limits`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

from schema.envelope import Context
from schema.events import AccessRejected, Event
from schema.streams import new_stream
from service.client_auth.authenticate import AuthenticatedClient
from service.client_auth.credentials import claimed_client, present
from service.endpoints.core import Core
from service.errors import InvalidClient, Rejection, TooManyRequests
from service.http.endpoint import Endpoint
from service.http.request import HttpRequest, parse_fields
from service.http.response import JSON_ANSWERS, Answers, Sendable
from service.journal.port import AlreadyUsed, Append, Appended, JournalUnavailable, SingleUse, VersionConflict
from service.limits.endpoints import FOR_GATEWAYS, PROVING, UNLIMITED
from service.limits.windows import What
from service.printable import printable

log = logging.getLogger(__name__)

_RETRY_AFTER = 1
_SHOWN_CLIENT = 64
_NO_CLIENT = "_"
_REFUSED_FROM, _UNAVAILABLE = 400, 503


class Exchange:
    """A request, and who it is from as far as that is known by now.

    `client_id` is the registered client that it claims to be from; it is the actor of an event only once it is proven.
    `proven` is whether a client, a person or a token stands behind it, `over_limit` whether it is one too many; with
    `doubt` it is, unless it is proven.
    """

    def __init__(self, core: Core, endpoint: str, request: HttpRequest) -> None:
        self.core = core
        self.endpoint = endpoint
        self.request = request
        self.client_id: str | None = None
        self.proven = False
        self.over_limit = False
        self.doubt: TooManyRequests | None = None
        self._actor = _NO_CLIENT
        self._account: str | None = None
        self._form: Mapping[str, str] = {}
        self._once: SingleUse | None = None

    async def form(self) -> dict[str, str]:
        """The form's parameters, once the worker's state may answer. Raises InvalidRequest or JournalUnavailable."""
        form = self._form = await self.request.form(self.core.settings.max_body)
        await self.core.follower.ensure_fresh()
        return form

    async def fields(self, repeatable: frozenset[str]) -> dict[str, tuple[str, ...]]:
        """The same, where some parameters may be repeated. Raises InvalidRequest or JournalUnavailable."""
        fields = parse_fields(await self.request.form_body(self.core.settings.max_body), repeatable)
        self._form = {name: values[0] for name, values in fields.items()}
        await self.core.follower.ensure_fresh()
        return fields

    @property
    def context(self) -> Context:
        """The context of the events that this request causes."""
        return self.request.context(actor=self._actor)

    def proves_nothing(self, status: int) -> bool:
        """Whether the request, answered with that status, was let in and came of nobody who is known."""
        if self.proven or self.over_limit or status == _UNAVAILABLE or self.endpoint == FOR_GATEWAYS:
            return False
        return self.endpoint not in PROVING or status >= _REFUSED_FROM

    def acts_for(self, subject: str) -> None:
        """From now on the actor of events is the person of an account."""
        self._account = subject
        self._actor = f"account:{subject}"
        self.proven = True

    def acts_as(self, client_id: str) -> None:
        """From now on the actor of events is a client that a token proved it to be from."""
        self.client_id = self._actor = client_id
        self.proven = True

    def authenticate(self, form: Mapping[str, str]) -> AuthenticatedClient:
        """The client that sent the request. Raises InvalidClient, InvalidRequest or TooManyRequests."""
        authorization, now = self.request.headers.get(b"authorization"), time.time()
        caller = self.core.authenticator.recall(authorization, form, now)
        if caller is None:
            credentials = present(authorization, form)
            claimed = self.core.authenticator.find(credentials)
            if claimed is not None:
                self.client_id = claimed.client_id
            caller = self.core.authenticator.authenticate(credentials, now)
            self.core.authenticator.remember(authorization, caller, now)
        self.client_id = self._actor = caller.client.client_id
        self._once = caller.once
        if caller.method != "none":
            self.proven = True
            if self.endpoint != UNLIMITED:
                self.core.limits.admit_client(self.endpoint, self._actor, once=caller.once is not None)
        return caller

    async def use_assertion(self) -> None:
        """Use up a single-use proof where no event of its own will do so. Raises InvalidClient or
        JournalUnavailable.
        """
        if self._once is not None:
            await self.append(new_stream(), 0)

    async def append(self, stream: UUID, expected_version: int, *events: Event) -> Appended:
        """Commit events, and with the first of them use up a single-use proof.

        Raises InvalidClient when the proof was used before, VersionConflict or JournalUnavailable.
        """
        once, self._once = self._once, None
        try:
            appended = await self.core.journal.append(Append(stream, expected_version, events, self.context, once))
        except AlreadyUsed:
            self.proven, self._actor = False, _NO_CLIENT  # whoever has seen an assertion can send it again
            raise InvalidClient("assertion_replayed") from None
        except VersionConflict:
            self._once = once  # a refused append leaves no trace: the proof is still to be used up
            raise
        if once is not None and self.endpoint != UNLIMITED:
            self.core.limits.proved_once(self._actor)
        return appended

    async def reject(self, rejection: Rejection) -> Appended | None:
        """Commit the event of a refusal, then count it; of too many refusals, count it alone, and return None.

        Raises InvalidClient when the proof of who asks was used before, which is then what to refuse, or
        JournalUnavailable.
        """
        client_id = self._actor if self.proven and self._account is None else None
        refused = What(self.endpoint, rejection.error, rejection.reason, rejection.status)
        target = self.target_of(rejection)
        if self.core.limits.may_journal(
            refused, self.request.source, client_id=client_id, account=self._account, target=target
        ):
            return await self.journal(rejection)
        await self.use_assertion()
        self._count(rejection)
        return None

    def target_of(self, rejection: Rejection) -> str | None:
        """What a refusal is about that there is: the grant of a token, or a client that was named and not proven."""
        grant_id, _, _ = (rejection.token_id or "").partition(".")
        return grant_id or (None if self.proven else self.client_id)

    async def journal(self, rejection: Rejection) -> Appended:
        """The same whatever the limits, for refusals that decisions depend on. Raises as `reject` does."""
        appended = await self.append(new_stream(), 0, self._rejected(rejection))
        self._count(rejection)
        return appended

    def _count(self, rejection: Rejection) -> None:
        self.core.metrics.rejected(self.endpoint, rejection.reason, self.client_id or _NO_CLIENT)

    def _rejected(self, rejection: Rejection) -> AccessRejected:
        claimed = None
        if self.client_id is None:
            claimed = claimed_client(self.request.headers.get(b"authorization"), self._form)
        return AccessRejected(
            endpoint=self.endpoint,
            error=rejection.error,
            reason=rejection.reason,
            status=rejection.status,
            client_id=self.client_id,
            claimed_client=None if claimed is None else printable(claimed, _SHOWN_CLIENT),
            token_id=rejection.token_id,
            token_digest=rejection.token_digest,
            user_agent=self.request.user_agent,
            detail=rejection.detail,
        )


Steps = Callable[[Exchange], Awaitable[Sendable]]


def endpoint_of(core: Core, name: str, steps: Steps, answers: Answers = JSON_ANSWERS) -> Endpoint:
    """An endpoint that runs the steps and answers whatever comes of them."""

    async def endpoint(request: HttpRequest) -> Sendable:
        began = time.perf_counter()
        exchange = Exchange(core, name, request)
        with core.tracing.request(name, request.trace):
            response = await _respond(exchange, steps, answers)
        if exchange.proves_nothing(response.status):
            core.limits.proved_nothing(request.source)
        core.metrics.answered(name, response.status, time.perf_counter() - began)
        if exchange.over_limit:
            await core.limits.hold()
        return response

    return endpoint


async def _respond(exchange: Exchange, steps: Steps, answers: Answers) -> Sendable:
    limits = exchange.core.limits
    try:
        try:
            exchange.doubt = limits.admit(exchange.endpoint, exchange.request.source)
            return await steps(exchange)
        except TooManyRequests as refused:
            exchange.over_limit = True
            return answers.refusal(refused)
        except Rejection as rejection:
            if (
                exchange.doubt is not None
                and not exchange.proven
                and not limits.reserves(exchange.target_of(rejection))
            ):
                exchange.over_limit = True
                return answers.refusal(
                    limits.refused_to_source(exchange.endpoint, exchange.request.source, exchange.doubt)
                )
            return answers.refusal(await _refused(exchange, rejection))
    except JournalUnavailable as error:
        exchange.core.metrics.unavailable(exchange.endpoint, error)
        return answers.unavailable(_RETRY_AFTER)
    except Exception:
        log.exception("%s failed", exchange.endpoint)
        return answers.server_error()


async def _refused(exchange: Exchange, rejection: Rejection) -> Rejection:
    """Journal the refusal; returns what to answer. A proof that was used before is refused for that, whatever it came
    with.
    """
    try:
        await exchange.reject(rejection)
    except InvalidClient as replayed:
        await exchange.reject(replayed)
        return replayed
    return rejection
