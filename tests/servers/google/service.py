"""The whole emulator but its socket: a request in, an answer out, and everything that may go wrong between."""

import json
import random
import threading
from collections.abc import Mapping
from urllib.parse import unquote

from tests.servers.google import batch, errors, groups, members, settings, usage, users
from tests.servers.google.batch import Request, Response
from tests.servers.google.call import Call, Handler, tag
from tests.servers.google.discovery import Method, body, methods, queried, route
from tests.servers.google.errors import Refused
from tests.servers.google.faults import DROP_BEFORE, DROP_WITHIN, Alter, Answer, Faults
from tests.servers.google.fields import known, selection
from tests.servers.google.journal import Entry, Journal
from tests.servers.google.oauth import Authority, Denied, Token
from tests.servers.google.pages import Pages
from tests.servers.google.store import Domain

HANDLERS: Mapping[str, Handler] = {
    **users.HANDLERS,
    **groups.HANDLERS,
    **members.HANDLERS,
    **settings.HANDLERS,
    **usage.HANDLERS,
}

BATCHES: Mapping[str, tuple[str, ...]] = {
    "/batch": ("admin",),
    "/batch/admin/directory_v1": ("admin",),
    "/batch/admin/reports_v1": ("admin",),
    "/batch/groupssettings/v1": ("groupssettings",),
}
"""Where batches go, and whose calls may be in them."""

JSON = {"Content-Type": "application/json; charset=UTF-8"}


class Dropped(Exception):
    """The connection is closed, after the first octets of an answer or none."""

    def __init__(self, response: Response | None = None) -> None:
        super().__init__()
        self.response = response  # whose first half is sent


class Google:
    """One call at a time, as if Google had one thread."""

    def __init__(self, domain: Domain, authority: Authority, faults: Faults) -> None:
        self.domain, self.authority, self.faults = domain, authority, faults
        self.journal = Journal()
        self.pages = Pages()
        self.lock = threading.RLock()  # held while anything is looked at or changed

    def answer(self, request: Request) -> Response:
        """Raises Dropped."""
        with self.lock:
            self.journal.requests += 1
            path, _ = _split(request.target)
            if path == "/token":
                return self._token(request)
            name = "batch" if path in BATCHES else _name(request.verb, path)
            drop = self.faults.connection(name, request.verb, unquote(request.target))
            if drop == DROP_BEFORE:
                self._dropped(request, name)
                raise Dropped
            if path in BATCHES:
                response = self._batch(request, path, lost=drop is not None)
            else:
                response = self._single(request, lost=drop is not None)
            if drop:
                raise Dropped(response if drop == DROP_WITHIN else None)
            return response

    def _dropped(self, request: Request, name: str) -> None:
        calls = [request]
        if name == "batch":
            try:
                calls = batch.parsed(request)
            except Refused:
                calls = []
            self.journal.batches.append(len(calls))
        for call in calls:
            method = _name(call.verb, _split(call.target)[0])
            entry = Entry(call.verb, unquote(call.target), method, "", 0, batch=self._number(name))
            self.journal.calls.append(entry)

    def _number(self, name: str) -> int:
        return len(self.journal.batches) if name == "batch" else 0

    # ---- tokens

    def _token(self, request: Request) -> Response:
        planned = self.faults.planned("token", request.target, drops=True)
        if planned == DROP_BEFORE:
            raise Dropped
        try:
            self._planned_error("token", request.target)
            given, status, told = self.authority.token(request.body), 200, ""
        except Refused as refused:
            given, status = {"error": refused.reason, "error_description": refused.message}, refused.status
            told = refused.reason
        except Denied as denied:
            given, status = {"error": denied.error, "error_description": denied.description}, denied.status
            told = denied.error
        self.journal.tokens.append(told)
        if planned:
            raise Dropped
        return Response(status, json.dumps(given).encode(), JSON)

    # ---- batches

    def _batch(self, request: Request, path: str, *, lost: bool) -> Response:
        try:
            self._planned_error("batch", request.target)
            calls = batch.parsed(request)
        except Refused as refused:
            return _refusal(refused)
        self.journal.batches.append(len(calls))
        number = len(self.journal.batches)
        order = list(range(len(calls)))
        if self.faults.shuffled:
            random.Random(f"{self.faults.seed} batch {number}").shuffle(order)
        answers = []
        for index in order:
            call = calls[index]
            answers.append((call, self._single(call, number=number, hosts=BATCHES[path], lost=lost)))
        return batch.composed(answers, f"batch_{number:08x}")

    # ---- calls

    def _single(
        self, request: Request, *, number: int = 0, hosts: tuple[str, ...] = ("admin", "groupssettings"), lost: bool
    ) -> Response:
        path, query = _split(request.target)
        who, name, reason, done = "", "", "", True
        try:
            method, in_path = route(request.verb, path)
            name = method.id
            if method.host not in hosts:
                raise errors.unreadable("All requests of a batch must go to the same API.")
            token = self.authority.bearer(request.headers.get("authorization", ""))
            who = token.who
            response = self._admitted(request, method, in_path, query, token)
        except Refused as refused:
            reason, done = refused.reason, refused.done
            response = _refusal(refused)
        target = unquote(request.target)
        status = response.status
        self.journal.calls.append(Entry(request.verb, target, name, who, status, reason, number, done, lost))
        return response

    def _admitted(
        self, request: Request, method: Method, in_path: dict[str, str], query: str, token: Token
    ) -> Response:
        if not method.scopes & token.scopes:
            raise errors.scopes()
        given = queried(method, query, in_path)
        self._quota(f"{token.project} {given.get('quotaUser') or token.who}")
        alter, afterwards = self._planned(method.id, request)
        handler = HANDLERS.get(method.id)
        if handler is None:
            raise Refused(501, "notImplemented", f"{method.id} is not modelled by this emulator", front=True)
        wanted = selection(given["fields"]) if given.get("fields") else None
        if wanted is not None and method.response is not None:
            known(wanted, dict(method.response), method.schemas)
        content = body(method, request.body)
        call = Call(method, given, content, wanted, token, self.domain, self.faults, self.pages)
        self._unchanged_since(call, request)
        answer = handler(call)
        if afterwards:
            raise afterwards
        if answer is None:
            return Response(204)
        return _drawn(alter(answer) if alter else answer, method, request, call)

    def _quota(self, who: str) -> None:
        if self.faults.quota is None:
            return
        says = self.faults.quota.take(who, self.domain.clock())
        if says == "quotaExceeded":
            raise errors.quota()
        if says == "rateLimitExceeded":
            raise errors.too_many(self.faults.retry_after)
        if says:
            raise errors.user_rate_limit()

    def _planned(self, method: str, request: Request) -> tuple[Alter | None, Refused | None]:
        """What is to be done to the answer, and the error that takes its place. Raises the error that comes before."""
        planned = self.faults.planned(method, unquote(request.target), drops=False)
        error = planned if isinstance(planned, Refused) else self.faults.refusal(request.verb, request.target)
        if error and not error.done:
            raise error
        return planned if callable(planned) else None, error

    def _planned_error(self, method: str, target: str) -> None:
        """Raises the error that was planned for a batch, or a token."""
        planned = self.faults.planned(method, unquote(target), drops=False)
        if isinstance(planned, Refused):
            raise planned

    def _unchanged_since(self, call: Call, request: Request) -> None:
        """If-Match of a write, held against what a read would answer. Raises Refused (412)."""
        match = request.headers.get("if-match", "*")
        if call.method.verb not in {"PATCH", "PUT", "DELETE"} or match == "*":
            return
        reader = HANDLERS.get(call.method.id.rpartition(".")[0] + ".get")
        whole = Call(call.method, call.given, {}, None, call.token, self.domain, self.faults, self.pages)
        if reader and (reader(whole) or {}).get("etag") != match:
            raise errors.precondition()


def _drawn(answer: Answer, method: Method, request: Request, call: Call) -> Response:
    """JSON with its ETag; 304 when the client has it already."""
    token = answer.pop("nextPageToken", None)
    text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
    etag = answer.get("etag") or tag(text)
    properties = method.schemas[method.response["$ref"]]["properties"] if method.response else {}
    if "etag" in properties and "etag" not in answer and (call.wanted is None or "etag" in call.wanted):
        text = f'{{"etag":{json.dumps(etag)}{"," if answer else ""}{text[1:]}'
    if token:
        text = f'{text[:-1]}{"," if len(text) > 2 else ""}"nextPageToken":{json.dumps(token)}}}'
    if request.verb == "GET" and request.headers.get("if-none-match") == etag:
        return Response(304, b"", {"ETag": etag})
    return Response(200, text.encode(), {**JSON, "ETag": etag})


def _refusal(refused: Refused) -> Response:
    return Response(refused.status, refused.body, refused.headers)


def _split(target: str) -> tuple[str, str]:
    path, _, query = target.partition("?")
    return path, query


def _name(verb: str, path: str) -> str:
    try:
        return route(verb, path)[0].id
    except Refused:
        return ""


assert set(HANDLERS) <= set(methods()), "a handler for a method that the discovery documents do not have"
