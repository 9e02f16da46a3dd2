"""`collima web` as a process, with real digests in a real mail folder, and a real browser on their links."""

import email
import email.policy
import json
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from tests.acceptance.inside import Inside
from tests.servers import free_port, shared
from tests.servers.chromium import DESKTOP, PHONE, Chromium, chromium

SCHEDULE = """
version: 1
timezone: Europe/Rome
state: sqlite:///{var}collima.db
reports: {{from: collima@unimore.it, to: [posta@unimore.it], via: mail, language: it}}
connectors:
  people: {{kind: ldif, file: people.ldif}}
  quarantine: {{kind: sqlite-quarantine, file: {var}quarantine.db, released: {var}released, sample: sample.json}}
  mail: {{kind: maildir, directory: {var}mail}}
jobs:
  digest:
    kind: quarantine-digest
    when: daily at 06:30
    source: people
    quarantine: quarantine
    via: mail
    who: (objectClass=person)
    addresses: [mail]
    from: quarantena@unimore.it
    actions: {{url: "http://127.0.0.1:{port}/quarantena", secret: {{file: secret}}}}
"""
PEOPLE = """\
dn: uid={name},dc=example,dc=org
objectClass: person
mail: {name}@unimore.it
mail: {name}.rossi@unimore.it
preferredLanguage: {language}

"""
NAMES = ("anna", "bea", "carla", "daria", "elena", "franca", "gina")
"""Each test that acts has a person of its own. The last one reads English."""
ANNA, GINA = "anna@unimore.it", "gina@unimore.it"


SAMPLE = (
    ("rivista@example.org", "Numero undici", "spam", 5.5),
    ("convegno@example.org", "Programma", "spam", 6.0),
    ("x" * 60 + "@" + "y" * 50 + ".example.org", "W" * 240, "spam", 8.0),
    ("fatture@example.org", "Fattura", "banned", 9.0),
)
SUBJECTS = [subject for _, subject, _, _ in SAMPLE]


@dataclass
class Web:
    """A site whose digests went out."""

    site: Inside
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *more: str) -> None:
        words = self.site.command("main", "web", "--listen", f"127.0.0.1:{self.port}", "--log", "json", *more)
        with (self.site.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(words, cwd=self.site.folder, stdout=subprocess.PIPE, stderr=log)
        assert self.process.stdout is not None
        told = self.process.stdout.readline()  # when it listens
        assert f":{self.port}".encode() in told, (self.site.folder / "log").read_text()

    def stop(self) -> int:
        """By TERM."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    @property
    def log(self) -> str:
        return (self.site.folder / "log").read_text()

    def links(self, owner: str) -> list[str]:
        return links_of(owner, self.site.folder / "mail/new", f"{self.url}/quarantena")

    def link(self, owner: str, subject: str, deed: str) -> str:
        return self.links(owner)[3 * SUBJECTS.index(subject) + ("release", "allow", "block").index(deed)]

    def released(self, owner: str) -> list[str]:
        """Subjects, of what was delivered to them."""
        folder = self.site.folder / "released/new"
        mails = [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in folder.glob("*")]
        return sorted(str(mail["Subject"]) for mail in mails if owner in mail["To"])


def links_of(owner: str, mails: Path, url: str) -> list[str]:
    """All of the owner's digest, in its order: three of each message, their page, no more digests."""
    for file in sorted(mails.iterdir()):
        mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        body = mail.get_body(("plain",))
        if mail["To"] == owner and body is not None:
            return re.findall(rf"{url}/[\w.-]+", body.get_content())
    raise AssertionError(owner)


def written(port: int, var: str = "") -> dict[str, str]:
    """Files of a site, by name. `var`: the folder of all that changes, with its slash."""
    languages = {name: "en" if name == NAMES[-1] else "it" for name in NAMES}
    return {
        "schedules.yaml": SCHEDULE.format(port=port, var=var),
        "people.ldif": "".join(PEOPLE.format(name=name, language=language) for name, language in languages.items()),
        "sample.json": json.dumps(sample()),
        "secret": "0123456789abcdef" * 4,
    }


def sample() -> dict[str, object]:
    shape = ("sender", "subject", "category", "score")
    return {
        "messages": [
            {
                "hours": 3,
                "to": [f"{name}@unimore.it"],
                "author": "Mittente",
                "size": 4200,
                **dict(zip(shape, one, strict=True)),
            }
            for name in NAMES
            for one in SAMPLE
        ]
    }


@contextmanager
def digests_sent(folder: Path) -> Iterator[Web]:
    site, port = Inside(folder), free_port()
    for name, text in written(port).items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    done = site.run_job("digest")
    assert done.code == 0, done.err
    yield Web(site, port)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with digests_sent(tmp_path_factory.mktemp("web")) as made:
        made.start()
        try:
            yield made
        finally:
            assert made.stop() == 0, made.log


@pytest.fixture
def browser(pytestconfig: pytest.Config) -> Chromium:
    made = shared(pytestconfig, "chromium", chromium)
    made.wide(PHONE)
    return made


def asked(url: str, method: str = "GET", data: bytes | None = None, **headers: str) -> int:
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as err:
        err.close()
        return err.code


@pytest.mark.soak
def test_requests_that_never_end_keep_others_out_for_seconds(web: Web) -> None:
    """Half of them say nothing at all, the others go on, a line a second."""
    page = web.links(GINA)[-2]
    with ExitStack() as stack:
        links = [stack.enter_context(socket.create_connection(("127.0.0.1", web.port))) for _ in range(205)]
        for link in links[::2]:
            link.sendall(b"GET /quarantena/x HTTP/1.1\r\n")
        assert asked(page) == 503
        for _ in range(20):
            for link in links[::2]:
                with suppress(OSError):
                    link.sendall(b"X-More: x\r\n")
            time.sleep(1)
            if (status := asked(page)) == 200:
                break
        assert status == 200


# ---- in a browser


def text(browser: Chromium) -> str:
    return browser.find_element(By.TAG_NAME, "main").text


def press(browser: Chromium, label: str) -> None:
    """A button or a link, as a person does; the next page is there when it returns."""
    page = browser.find_element(By.TAG_NAME, "html")
    wanted = f"//button[normalize-space()='{label}'] | //a[normalize-space()='{label}']"
    browser.find_element(By.XPATH, wanted).click()
    for _ in range(600):
        try:
            page.is_enabled()
        except Exception:  # noqa: BLE001 - it is of the page before: stale, or its document is gone
            return
        time.sleep(0.05)
    raise AssertionError(f"{label} leads nowhere: {text(browser)}")


@pytest.mark.parametrize(("size", "name"), [(PHONE, "bea"), (DESKTOP, "carla")], ids=["phone", "desktop"])
def test_a_link_of_a_digest_is_clicked_confirmed_and_the_message_released(
    web: Web, browser: Chromium, size: tuple[int, int], name: str
) -> None:
    owner = f"{name}@unimore.it"
    browser.wide(size)
    browser.get(web.link(owner, "Numero undici", "release"))
    assert "Rilasciare questo messaggio?" in text(browser)
    assert "rivista@example.org" in text(browser)
    assert web.released(owner) == []
    press(browser, "Rilascia")
    assert "Rilasciato" in text(browser)
    assert web.released(owner) == ["Numero undici"]
    browser.refresh()
    browser.back()
    browser.forward()
    assert web.released(owner) == ["Numero undici"]


def test_a_sender_is_allowed_and_that_is_undone(web: Web, browser: Chromium) -> None:
    browser.get(web.link(GINA, "Programma", "allow"))
    press(browser, "Allow")
    assert "The sender is allowed" in text(browser)
    browser.get(web.links(GINA)[-2])
    assert "convegno@example.org allowed" in text(browser)
    browser.get(web.link(GINA, "Programma", "allow"))
    press(browser, "Undo")
    assert "Allow this sender?" in text(browser)
    browser.get(web.links(GINA)[-2])
    assert "You have allowed or blocked nobody." in text(browser)


def test_the_own_page_releases_blocks_forgets_and_turns_digests_off_and_on(web: Web, browser: Chromium) -> None:
    owner = "daria@unimore.it"
    browser.get(web.links(owner)[-2])
    assert "Trattenuti adesso (4)" in text(browser)
    press(browser, "Rilascia")
    press(browser, "Rilascia")
    press(browser, "Torna alla Sua pagina")
    assert "Trattenuti adesso (3)" in text(browser)
    assert web.released(owner) == ["Numero undici"]
    press(browser, "Blocca il mittente")
    press(browser, "Blocca")
    press(browser, "Torna alla Sua pagina")
    assert "convegno@example.org bloccato" in text(browser)
    press(browser, "Dimentica")
    assert "Non ha ammesso né bloccato nessuno." in text(browser)
    press(browser, "Niente più messaggio quotidiano")
    assert "Non riceve il messaggio quotidiano" in text(browser)
    press(browser, "Riprendi a inviarlo")
    assert "Ogni mattina riceve un messaggio" in text(browser)


def test_a_banned_attachment_is_asked_for_and_an_administrator_delivers_it(web: Web, browser: Chromium) -> None:
    owner = "elena@unimore.it"
    browser.get(web.link(owner, "Fattura", "release"))
    press(browser, "Chiedi a un amministratore")
    assert "Decide un amministratore" in text(browser)
    assert web.released(owner) == []
    assert web.site.run_job("digest").code == 0  # sends what waits, as the service does
    browser.get(web.links("posta@unimore.it")[0])
    assert f"{owner} chiede" in text(browser)
    press(browser, "Consegna")
    assert "È stata approvata" in text(browser)
    assert web.released(owner) == ["Fattura"]
    browser.get(web.links(owner)[-2])
    assert "approvata e consegnata" in text(browser)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_page_scrolls_from_side_to_side_on_a_phone_and_a_thumb_hits_its_buttons(
    web: Web, browser: Chromium, dark: bool
) -> None:
    browser.wide(PHONE, dark=dark)
    for url in (*web.links(ANNA), f"{web.url}/quarantena/nonsense"):
        browser.get(url)
        assert not browser.overflows(), text(browser)
        for button in browser.find_elements(By.CLASS_NAME, "button"):
            assert button.rect["height"] >= 44
            assert button.rect["x"] + button.rect["width"] <= 320
    body = browser.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")
    assert body == ("rgba(20, 23, 26, 1)" if dark else "rgba(255, 255, 255, 1)")


# ---- as a process


def test_a_scanner_that_follows_every_link_of_a_digest_changes_nothing(web: Web) -> None:
    for method in ("HEAD", "GET", "GET"):
        for url in web.links(ANNA):
            assert asked(url, method) == 200
    assert web.released(ANNA) == []
    with urllib.request.urlopen(web.links(ANNA)[-2], timeout=60) as page:
        drawn = page.read().decode()
    assert "Trattenuti adesso (4)" in drawn
    assert "Non ha ammesso" in drawn
    assert "Ogni mattina riceve" in drawn


def test_clicks_at_once_from_two_processes_deliver_once_and_term_ends_one_with_0(web: Web) -> None:
    owner, other = "franca@unimore.it", Web(web.site, free_port())
    other.start()
    url = web.link(owner, "Numero undici", "release")
    places = [url, url.replace(web.url, other.url)] * 4
    codes: list[int] = []
    threads = [threading.Thread(target=lambda to=to: codes.append(asked(to, "POST", b"do=release"))) for to in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [200] * 8  # each was led to the page that shows what happened
    assert web.released(owner) == ["Numero undici"]
    assert asked(f"{other.url}/health") == 200
    assert other.stop() == 0
    assert url.rpartition("/")[2] not in web.log
    assert "@" not in web.log
    assert '"method": "POST", "link": "release", "status": 303' in web.log
    assert json.loads(web.log.splitlines()[-1])["message"] == "stopped"


def test_a_forwarded_address_counts_when_it_comes_from_this_machine(web: Web) -> None:
    bad = f"{web.url}/quarantena/nonsense"
    codes = iter(lambda: asked(bad, **{"X-Forwarded-For": "192.0.2.1"}), 429)  # until there is one
    assert list(codes)[:60] == [404] * 60
    assert asked(bad, **{"X-Forwarded-For": "192.0.2.2"}) == 404
    assert asked(web.links(ANNA)[0], **{"X-Forwarded-For": "192.0.2.1"}) == 200


@pytest.mark.parametrize("where", ["8420", "127.0.0.1:http", "127.0.0.1:99999", "256.1.1.1:8420", ":"])
def test_where_it_cannot_listen_it_says_so(web: Web, where: str) -> None:
    done = web.site.collima("web", "--listen", where)
    assert (done.code, where in done.err) == (2, True)


def test_a_port_that_is_taken_a_proxy_that_is_none_and_a_schedule_without_pages_are_told(
    web: Web, tmp_path: Path
) -> None:
    taken = web.site.collima("web", "--listen", f"127.0.0.1:{web.port}")
    assert (taken.code, "in use" in taken.err) == (2, True)
    assert web.site.collima("web", "--listen", f"127.0.0.1:{free_port()}", "--proxy", "proxy1").code == 2
    text = (web.site.folder / "schedules.yaml").read_text()
    (tmp_path / "schedules.yaml").write_text("".join(one for one in text.splitlines(True) if "actions:" not in one))
    none = Inside(tmp_path).collima("web", "--listen", f"127.0.0.1:{free_port()}")
    assert (none.code, "no pages to serve" in none.err) == (2, True)
