"""Pages as a browser without JavaScript asks for them, over a quarantine in memory and a real state."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from urllib.parse import urljoin, urlsplit
from zoneinfo import ZoneInfo

from anyio.from_thread import BlockingPortal, start_blocking_portal
from httpx import ASGITransport, AsyncClient, Response

from collima.app.web.desk import Desk as Pages
from collima.app.web.pages import Pages as Drawing
from collima.app.web.site import Site
from tests.jobs.quarantine_desk import ANNA, END, JOB, Desk, desk

ORIGIN = "https://posta.unimore.it"
FORM = re.compile(r"<form method=\"post\">(.*?)</form>", re.DOTALL)
FIELD = re.compile(r'name="([^"]*)" value="([^"]*)"')
LINK = re.compile(r'<a class="button[^"]*" rel="nofollow" href="([^"]*)"')
TEXT = re.compile(r"<style>.*?</style>|<[^>]*>", re.DOTALL)


@dataclass
class Browser:
    desk: Desk
    portal: BlockingPortal  # to the loop that the pages are served in
    ticks: list[float] = field(default_factory=lambda: [0.0])
    strip: bool = False  # whether the proxy takes the prefix away

    def __post_init__(self) -> None:
        self.site = Site(
            [Pages(JOB, self.desk.links, self.desk.actions, self.desk.requests)],
            Drawing("it", ZoneInfo("Europe/Rome")),
            lambda: self.desk.now,
            lambda: self.ticks[0],
        )
        self.app = self.site.app()
        self.url = ""
        self.page: Response | None = None

    # ---- links

    def page_of(self, owner: str = ANNA) -> str:
        return self.desk.links.page(owner, END)

    def item(self, item: str, deed: str, owner: str = ANNA) -> str:
        return self.desk.links.item(owner, item, deed, END)  # type: ignore[arg-type]

    # ---- what a browser does

    def ask(
        self,
        method: str,
        url: str,
        form: Mapping[str, str] | None = None,
        *,
        client: str = "192.0.2.7",
        content: bytes | None = None,
        **headers: str,
    ) -> Response:
        parts = urlsplit(urljoin(ORIGIN, url))
        path = parts.path.removeprefix("/quarantena") if self.strip else parts.path
        target = f"{path}?{parts.query}" if parts.query else path

        async def asked() -> Response:
            async with AsyncClient(transport=ASGITransport(self.app, client=(client, 4711)), base_url=ORIGIN) as http:
                return await http.request(method, target, data=form, content=content, headers=headers)

        return self.portal.call(asked)

    def open(self, url: str) -> str:
        """Its text, as it is read."""
        self.url = urljoin(ORIGIN, url)
        self.page = self.ask("GET", self.url)
        return self.text

    def press(self, does: str, at: int = 0, **more: str) -> str:
        """The button of this page that does it."""
        assert self.page is not None
        forms = [dict(map(self._unescaped, FIELD.findall(form))) for form in FORM.findall(self.page.text)]
        form = [form for form in forms if form["do"] == does][at]
        answer = self.ask("POST", self.url, form | more)
        if answer.status_code != 303:
            self.page = answer
            return self.text
        return self.open(urljoin(self.url, answer.headers["location"]))

    def buttons(self) -> list[str]:
        assert self.page is not None
        return [dict(FIELD.findall(form))["do"] for form in FORM.findall(self.page.text)]

    def links(self) -> list[str]:
        assert self.page is not None
        return [urljoin(self.url, unescape(href)) for href in LINK.findall(self.page.text)]

    def link(self, label: str) -> str:
        """The one that is called so; "" where there is none."""
        assert self.page is not None
        found = re.search(rf'<a [^>]*href="([^"]*)"[^>]*>{re.escape(label)}</a>', self.page.text)
        return urljoin(self.url, unescape(found[1])) if found else ""

    @property
    def text(self) -> str:
        assert self.page is not None
        return " ".join(unescape(TEXT.sub(" ", self.page.text)).split())

    @staticmethod
    def _unescaped(pair: tuple[str, str]) -> tuple[str, str]:
        return unescape(pair[0]), unescape(pair[1])


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    with desk(folder) as made, start_blocking_portal() as portal:
        yield Browser(made, portal)
