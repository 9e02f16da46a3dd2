"""What the pages withstand: scanners, guessers, large forms, databases that are away; and what never leaves them."""

import logging
import re
from base64 import b64encode
from hashlib import sha256
from time import process_time

import pytest

from collima.app.web.limits import KNOWN, Buckets, network
from tests.app.web.browser import Browser
from tests.jobs.quarantine_desk import ANNA, END, JOB, MARCO

SAFE = ("GET", "HEAD", "OPTIONS")


def links(here: Browser) -> list[str]:
    """Of a whole digest, and an administrator's."""
    item, bad = here.desk.hold(sender="news@example.org"), here.desk.hold(category="virus")
    here.desk.release(bad)
    every = [here.item(one, deed) for one in (item, bad) for deed in ("release", "allow", "block")]
    request = here.desk.links.decide(here.desk.newest("request").id, END)
    return [*every, here.page_of(), here.desk.links.off(ANNA, END), request]


def test_a_scanner_that_follows_every_link_several_times_changes_nothing(here: Browser) -> None:
    every = links(here)
    before = here.desk.actions.digests.actions()
    for method in SAFE * 2:
        for url in every:
            answer = here.ask(method, url, **{"sec-purpose": "prefetch", "purpose": "prefetch"})
            assert answer.status_code == (405 if method == "OPTIONS" else 200)
            if method == "GET":
                here.open(url)
                for found in here.links():
                    assert here.ask("GET", found).status_code == 200
    for method in ("PUT", "PATCH", "DELETE"):
        assert {here.ask(method, url).status_code for url in every} == {405}
    assert here.desk.actions.digests.actions() == before
    assert (here.desk.held.released, here.desk.held.said) == ([], {})
    assert here.desk.holder().off is None
    assert len(here.desk.letters()) == 1


@pytest.mark.parametrize("strip", [False, True], ids=["kept", "taken away"])
def test_it_works_whether_the_proxy_keeps_the_path_or_takes_it_away(here: Browser, strip: bool) -> None:
    here.strip = strip
    here.desk.hold(sender="news@example.org")
    here.open(here.page_of())
    release, allow, _ = here.links()
    here.open(allow)
    assert "ammesso" in here.press("allow")
    here.open(release)
    assert "Rilasciato" in here.press("release")


def test_every_answer_forbids_scripts_frames_referrers_and_caches(here: Browser) -> None:
    good = here.page_of()
    answers = [
        here.ask("GET", good),
        here.ask("HEAD", good),
        here.ask("POST", good, {"do": "off"}),
        here.ask("POST", good, {"do": "x"}),
        here.ask("GET", "/quarantena/nonsense"),
        here.ask("DELETE", good),
        here.ask("GET", "/health"),
        here.ask("GET", "/robots.txt"),
    ]
    for answer in answers:
        headers = answer.headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-robots-tag"].startswith("noindex")
        assert "set-cookie" not in headers
    page = answers[0]
    (style,) = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
    named = b64encode(sha256(style.encode()).digest()).decode()
    assert f"'sha256-{named}'" in page.headers["content-security-policy"]
    assert not re.search(r"<script|\sstyle=|\son[a-z]+=|src=", page.text)


def test_links_that_are_none_all_look_alike(here: Browser) -> None:
    item = here.desk.hold()
    good = here.item(item, "release").rpartition("/")[2]
    other = here.desk.links.page("carla.verdi@unimore.it", END).rpartition("/")[2]
    bad = [
        "x",
        good[:-5],
        f"{good}A",
        good.swapcase(),
        f"{good}/",
        "a" * 5000,
        "%00",
        "%ff",
        "..%2f..%2fetc%2fpasswd",
        "",
    ]
    pages = {(answer.status_code, answer.text) for token in bad for answer in [here.ask("GET", f"/quarantena/{token}")]}
    pages |= {
        (answer.status_code, answer.text) for token in bad for answer in [here.ask("POST", f"/quarantena/{token}")]
    }
    pages.add((here.ask("GET", f"/elsewhere/{good}").status_code, here.ask("GET", "/favicon.ico").text))
    here.desk.now = END
    pages.add((here.ask("GET", f"/quarantena/{good}").status_code, here.ask("GET", f"/quarantena/{good}").text))
    assert len(pages) == 1
    assert next(iter(pages))[0] == 404
    assert other not in next(iter(pages))[1]


def test_a_hundred_thousand_bad_tokens_in_a_minute_are_cheap_and_a_good_one_is_served(
    here: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    """Some hundred go through the whole application; a hundred thousand, of as many clients, through what remembers."""
    caplog.set_level(logging.INFO, "collima")
    good = here.page_of()
    token = good.rpartition("/")[2]
    bad = f"{token[:-3]}AAA"
    reads = here.desk.held.reads
    began = process_time()
    codes = [here.ask("GET", f"/quarantena/{bad}").status_code for _ in range(300)]
    each = (process_time() - began) / 300
    assert codes[:60] == [404] * 60
    assert set(codes[60:]) == {429}
    assert each < 0.03
    assert caplog.text.count("status=") == 60
    assert here.desk.held.reads == reads
    assert here.ask("GET", f"/quarantena/{bad}", client="198.51.100.9").status_code == 404
    assert here.ask("GET", good).status_code == 200
    here.ticks[0] += 10
    assert here.ask("GET", f"/quarantena/{bad}").status_code == 404

    for number in range(100_000):
        here.site.strangers.take(str(number))
    assert len(here.site.strangers.left) == KNOWN


def test_one_link_that_is_asked_for_all_the_time_does_not_keep_others_out(here: Browser) -> None:
    mine, other = here.page_of(), here.page_of(MARCO)
    codes = [here.ask("HEAD", mine).status_code for _ in range(310)]
    assert (codes[0], codes[-1]) == (200, 429)
    assert here.ask("GET", mine).headers["retry-after"] == "60"
    assert here.ask("GET", other).status_code == 200


def test_a_scanner_that_follows_all_links_of_a_mail_at_once_is_answered(here: Browser) -> None:
    item = here.desk.hold()
    links = [here.item(item, deed) for deed in ("release", "allow", "block") for _ in range(100)]
    links += [here.page_of(), here.desk.links.off(ANNA, END)]
    assert {here.ask("GET", link).status_code for link in links} == {200}
    assert here.desk.held.delivered() == []


def test_who_a_client_is() -> None:
    assert network("192.0.2.7") == network("::ffff:192.0.2.7") == "192.0.2.7"
    assert network("2001:db8:1:2::1") == network("2001:db8:1:2:ffff::9") != network("2001:db8:1:3::1")
    assert len(network("x" * 1000)) == 64


def test_a_bucket_fills_again_and_no_further_than_its_brim() -> None:
    at = [0.0]
    buckets = Buckets(1.0, 3, lambda: at[0])
    assert [buckets.take("a") for _ in range(4)] == [True, True, True, False]
    at[0] = 1.5
    assert [buckets.take("a") for _ in range(2)] == [True, False]
    at[0] = 1000.0
    assert [buckets.take("a") for _ in range(4)] == [True, True, True, False]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"do=off&x=" + b"a" * 5000, 413),
        (b"a" * 1_000_000, 413),
        (b"&".join(b"a=b" for _ in range(100)), 400),
        (b"\xff\x00\xfe", 400),
        (b"do=%FF", 400),
        (b"", 400),
        (b'{"do": "off"}', 400),
    ],
)
def test_a_form_that_is_none_of_ours_does_nothing(here: Browser, content: bytes, status: int) -> None:
    answer = here.ask("POST", here.page_of(), content=content)
    assert answer.status_code == status
    assert here.desk.holder().off is None


@pytest.mark.parametrize("deed", ["release", "allow", "block"])
def test_a_quarantine_that_is_away_is_a_plain_page_and_nothing_is_changed(here: Browser, deed: str) -> None:
    item = here.desk.hold(sender="news@example.org")
    here.desk.held.gone = True
    for method, url in (("GET", here.page_of()), ("GET", here.item(item, deed)), ("POST", here.item(item, deed))):
        answer = here.ask(method, url, {"do": deed} if method == "POST" else None)
        assert answer.status_code == 503
        assert "non funziona" in answer.text
        assert "Traceback" not in answer.text
    here.desk.held.gone = False
    here.open(here.item(item, deed))
    here.press(deed)
    assert here.desk.held.released or here.desk.held.said


def test_a_state_that_is_away_is_a_plain_page(here: Browser) -> None:
    item = here.desk.hold()
    here.desk.journal.database.close()
    place = here.desk.journal.database.file
    assert place is not None
    place.write_bytes(b"no database any more")
    for end in ("-wal", "-shm"):
        place.with_name(place.name + end).unlink(missing_ok=True)
    for method in ("GET", "POST"):
        assert here.ask(method, here.item(item, "release"), {"do": "release"}).status_code == 503
    assert here.ask("GET", "/health").text == "ok\n"
    assert here.desk.held.released == []


def test_a_fault_of_ours_is_a_plain_page_and_the_log_has_the_rest(
    here: Browser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("tests.contracts.memory_quarantine.MemorySession.held_for", broken)
    answer = here.ask("GET", here.page_of())
    assert answer.status_code == 500
    assert "ZeroDivisionError" not in answer.text
    assert "ZeroDivisionError" in caplog.text


def test_the_log_has_neither_links_nor_addresses(here: Browser, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "httpx")
    caplog.set_level(logging.INFO, "collima")
    item = here.desk.hold(sender="news@example.org")
    for url in (here.item(item, "allow"), here.item(item, "release"), here.page_of()):
        here.open(url)
        assert url.rpartition("/")[2][:20] not in caplog.text
    here.open(here.item(item, "release"))
    here.press("release")
    here.ask("GET", "/quarantena/anna.rossi@unimore.it")
    assert "@" not in caplog.text
    assert "method=POST link=release status=303" in caplog.text
    assert "link=none status=404" in caplog.text


def test_robots_are_sent_away(here: Browser) -> None:
    assert "Disallow: /" in here.ask("GET", "/robots.txt").text
    assert JOB not in here.ask("GET", "/").text
