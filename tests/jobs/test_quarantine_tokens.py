"""The links of a digest: what they say, to whom they are of use, and how they end."""

import string
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import process_time

import pytest

from collima.core.errors import ConfigError
from collima.core.options import Secret
from jobs.quarantine_digest.tokens import Errand, Links

NOW = datetime(2026, 11, 24, 7, tzinfo=UTC)
END = NOW + timedelta(days=5)
OLD, NEW = "an old key of the site", "a new key of the site"
LINKS = Links("https://posta.unimore.it/quarantena", "quarantine-digest", [NEW])
ANNA = "anna.rossi@unimore.it"


def token(url: str) -> str:
    return url.rpartition("/")[2]


def read(url: str, links: Links = LINKS, now: datetime = NOW) -> Errand | None:
    return links.read(token(url), now)


def test_each_link_says_what_it_is_for() -> None:
    assert read(LINKS.page(ANNA, END)) == Errand("page", ANNA, "")
    assert read(LINKS.off(ANNA, END)) == Errand("off", ANNA, "")
    assert read(LINKS.item(ANNA, "m1:1", "release", END)) == Errand("release", ANNA, "m1:1")
    assert read(LINKS.item(ANNA, "m1:1", "allow", END)) == Errand("allow", ANNA, "m1:1")
    assert read(LINKS.item(ANNA, "m1:1", "block", END)) == Errand("block", ANNA, "m1:1")
    assert read(LINKS.decide(4711, END)) == Errand("decide", "", "4711")


def test_a_link_ends_at_its_moment() -> None:
    url = LINKS.page(ANNA, END)
    assert read(url, now=END - timedelta(seconds=1))
    assert read(url, now=END) is None


def test_a_link_is_short_and_of_plain_characters() -> None:
    url = LINKS.item(ANNA, "0/bWxSoEiuYPLj/17", "release", END)
    assert len(url) < 200
    assert set(token(url)) <= {*string.ascii_letters, *string.digits, *"-_."}


def test_a_link_is_of_no_use_when_anything_of_it_is_another() -> None:
    whole = token(LINKS.item(ANNA, "m1:1", "release", END))
    assert LINKS.read(whole, NOW)
    for at in range(len(whole)):
        assert LINKS.read(whole[:at], NOW) is None
        if at != len(whole) - 1:  # of the last character two bits mean nothing
            assert LINKS.read(f"{whole[:at]}{'A' if whole[at] != 'A' else 'B'}{whole[at + 1 :]}", NOW) is None
    for other in (f"{whole}A", f"{whole}.", f".{whole}", "", ".", "à" * 40, "a" * 100_000, whole * 2):
        assert LINKS.read(other, NOW) is None


def test_another_job_believes_no_link_of_this_one_though_they_share_their_key() -> None:
    other = Links(LINKS.url, "another-digest", LINKS.keys)
    assert read(LINKS.page(ANNA, END), other) is None


def test_keys_rotate(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{NEW}\n\n  {OLD}\n")
    file.chmod(0o600)
    both = Links.of("https://posta.unimore.it/quarantena/", "quarantine-digest", Secret(file=file))
    before = Links(LINKS.url, LINKS.job, [OLD])
    assert read(before.page(ANNA, END), both)
    assert read(both.page(ANNA, END), LINKS)
    assert read(both.page(ANNA, END), before) is None
    assert both.page(ANNA, END).startswith("https://posta.unimore.it/quarantena/")
    assert NEW not in repr(both)


def test_a_key_that_could_be_guessed_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", f"{NEW}\nsecret")
    with pytest.raises(ConfigError, match="fewer than 16 characters"):
        Links.of("https://posta.unimore.it", "quarantine-digest", Secret(env="KEY"))


def test_ten_thousand_bad_tokens_cost_less_than_a_few_seconds() -> None:
    bad = token(LINKS.page(ANNA, END))[:-2] + "AA"
    began = process_time()
    assert not any(LINKS.read(bad, NOW) for _ in range(10_000))
    assert process_time() - began < 5
