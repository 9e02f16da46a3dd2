"""The URL of a ping: what is one, where a word is put in it, and that nobody gets to see it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collima.app.config.ping_url import PingUrl


@pytest.mark.parametrize(
    ("url", "start"),
    [
        ("https://hc-ping.com/1b2c", "https://hc-ping.com/1b2c/start"),
        ("https://hc-ping.com/1b2c/", "https://hc-ping.com/1b2c/start"),
        ("https://hc.example.org/key/lists?create=1", "https://hc.example.org/key/lists/start?create=1"),
        ("http://127.0.0.1:8000/x#top", "http://127.0.0.1:8000/x/start"),
        ("http://[::1]:8000", "http://[::1]:8000/start"),
    ],
)
def test_a_step_is_put_at_the_end_of_the_path(url: str, start: str) -> None:
    assert PingUrl.parse(url).below("start") == start


def test_without_a_step_it_stays_as_it_is_written() -> None:
    assert PingUrl.parse("https://hc-ping.com/1b2c?create=1").below("") == "https://hc-ping.com/1b2c?create=1"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hc-ping.com/1b2c",
        "ftp://hc-ping.com/1b2c",
        "https:///1b2c",
        "https://[::1/1b2c",
        "https://hc-ping.com:99999/",
        "https://hc-ping.com/a b",
        "https://hc-ping.com/a\r\nHost: other",
        "https://è.example.org/",
        "https://me:hunter2@hc-ping.com/",
    ],
)
def test_what_is_none_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        PingUrl.parse(text)
    assert not text or text not in str(caught.value)


@given(st.text() | st.text().map("https://".__add__))
def test_any_text_is_a_ping_or_a_value_error(text: str) -> None:
    try:
        host = PingUrl.parse(text).host
    except ValueError as err:
        host = str(err)
    assert host


def test_only_the_host_may_be_told() -> None:
    url = PingUrl.parse("https://hc-ping.com/1b2c-secret")
    assert "1b2c" not in repr(url)
    assert url.host == "hc-ping.com"
