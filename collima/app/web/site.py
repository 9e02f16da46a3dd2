"""The ASGI application: a link is read, its desk is asked in a thread, and a page goes out.

GET and HEAD show, and change nothing, however often a scanner follows them; POST acts, and leads back to GET.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from collima.app.logs import Keyed
from collima.app.web.desk import FROM, Desk, Sight
from collima.app.web.gate import Gate
from collima.app.web.limits import Buckets, network
from collima.app.web.pages import Pages
from collima.core.about import about
from collima.core.errors import CollimaError
from collima.core.ports import Clock
from jobs.quarantine_digest.actions import Declined
from jobs.quarantine_digest.tokens import Errand

log = logging.getLogger("collima.web")

AT_ONCE = 10  # requests that work at a time; others wait in line
LARGEST = 4096  # bytes of a form: ours have some hundred
LEAST = 120  # requests of one person that are answered at once: all links of a mail, which scanners follow, and some
SLOWEST = 10.0  # seconds in which it must come


@dataclass(eq=False)
class Site:
    """All that `collima web` serves. `clock`: when links end."""

    desks: Sequence[Desk]
    pages: Pages
    clock: Clock
    steady: Callable[[], float] = time.monotonic
    strangers: Buckets = field(init=False)  # of whom links that are none come
    people: Buckets = field(init=False)  # by whose link they come: behind one address may be a whole campus

    threads: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self.threads = ThreadPoolExecutor(AT_ONCE, "page")
        self.strangers = Buckets(1.0, 60, self.steady)
        self.people = Buckets(2.0, max((LEAST, *(desk.links_in_a_mail for desk in self.desks))), self.steady)

    def app(self) -> ASGIApp:
        pages = Starlette(
            routes=[
                Route("/health", self.health, methods=["GET"]),
                Route("/robots.txt", self.robots, methods=["GET"]),
                Route("/{path:path}", self.link, methods=["GET", "POST"]),
            ]
        )
        return Gate(pages)

    async def health(self, _: Request) -> Response:
        """That it answers: what is behind it, a page tells."""
        return PlainTextResponse("ok\n")

    async def robots(self, _: Request) -> Response:
        return PlainTextResponse("User-agent: *\nDisallow: /\n")

    async def link(self, request: Request) -> Response:
        began = self.steady()
        found = self._errand(request.path_params["path"])
        if found is None:
            response, sort, name = self._stranger(request), "none", ""
        else:
            desk, errand = found
            sort, name = errand.sort, desk.name
            response = await self._served(request, desk, errand)
        if response.status_code != 429:  # a flood is not passed on to the log
            with about(job=name):
                ms = round((self.steady() - began) * 1000)
                log.info(Keyed(method=request.method, link=sort, status=response.status_code, ms=ms))
        return response

    def _errand(self, path: str) -> tuple[Desk, Errand] | None:
        """Of its desk's own path, or of none: a proxy may keep it or take it away."""
        place, _, token = path.rpartition("/")
        for desk in self.desks:
            if place in ("", desk.path.lstrip("/")) and (errand := desk.links.read(token, self.clock())):
                return desk, errand
        return None

    def _stranger(self, request: Request) -> Response:
        """The same to everybody: not whether it has ended, was cut, or never was one."""
        if not self.strangers.take(network(request.client.host if request.client else "")):
            return self._slowly(request)
        return self._plain("ended", _accepted(request), 404)

    def _slowly(self, request: Request) -> Response:
        response = self._plain("slowly", _accepted(request), 429)
        response.headers["Retry-After"] = "60"
        return response

    async def _served(self, request: Request, desk: Desk, errand: Errand) -> Response:
        if not self.people.take(f"{desk.name} {errand.owner or errand.item}"):
            return self._slowly(request)
        form: Mapping[str, str] | None = {}
        if request.method == "POST" and (form := await _form(request)) is None:
            return self._plain("wrong", _accepted(request), 413)
        page = request.query_params.get(FROM, "")

        def answer() -> Response:
            with about(job=desk.name):
                return self._answer(request, desk, errand, page, form or {})

        return await asyncio.get_running_loop().run_in_executor(self.threads, answer)

    def _answer(self, request: Request, desk: Desk, errand: Errand, page: str, form: Mapping[str, str]) -> Response:
        """In a thread. Whatever happens, a plain page comes of it."""
        language, acts = _accepted(request), request.method == "POST"
        try:
            if not acts:
                return self._drawn(desk.see(errand, page))
            language = desk.language(errand)
            if not desk.do(errand, form):
                return self._plain("wrong", language, 400)
            if "List-Unsubscribe" in form:
                return self._drawn(desk.see(errand, page))
            return RedirectResponse(_here(request), 303)
        except Declined as err:
            return self._plain(err.why, language, {"gone": 410, "doubt": 503}.get(err.why, 409))
        except CollimaError as err:
            log.warning("a page could not be shown: %s", err)
            return self._plain("trouble" if acts else "unseen", language, 503)
        except Exception:
            log.exception("a fault of this program")
            return self._plain("doubt" if acts else "unseen", language, 500)

    def _drawn(self, sight: Sight) -> Response:
        text, language = self.pages.draw(sight.template, sight.language, sight.values)
        return HTMLResponse(text, sight.status, {"Content-Language": language})

    def _plain(self, what: str, language: str, status: int) -> Response:
        return self._drawn(Sight("plain", {"what": what}, language, status))


async def _form(request: Request) -> Mapping[str, str] | None:
    """None: larger than any of ours, or too slow. What is no form of ours has no fields."""
    body = b""
    try:
        async with asyncio.timeout(SLOWEST):
            async for part in request.stream():
                body += part
                if len(body) > LARGEST:
                    return None
    except (TimeoutError, ClientDisconnect):
        return None
    kind = request.headers.get("content-type", "")
    if kind.lower().startswith("multipart/form-data"):  # RFC 8058 3.2: a mail program may send either
        return dict(_parts(kind, body))
    try:
        return dict(parse_qsl(body.decode("ascii"), max_num_fields=10))
    except ValueError:
        return {}


def _parts(kind: str, body: bytes) -> Iterator[tuple[str, str]]:
    """The fields of a multipart form (RFC 7578). What is no such form has none."""
    whole = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode("latin-1") + body)
    for part in whole.get_payload() if whole.is_multipart() else ():
        if isinstance(part, Message) and isinstance(name := part.get_param("name", header="content-disposition"), str):
            content = part.get_payload(decode=True)
            yield name, content.decode("utf-8", "replace") if isinstance(content, bytes) else ""


def _here(request: Request) -> str:
    """The same page, relative to itself: whatever a proxy calls the way to it."""
    token = request.url.path.rpartition("/")[2]
    return f"{token}?{request.url.query}" if request.url.query else token


def _accepted(request: Request) -> str:
    return request.headers.get("accept-language", "")
