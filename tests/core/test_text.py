"""Text from outside is made fit to be shown."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collima.core.text import discreet, few, line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("docenti", "docenti"),
        ("perché no", "perché no"),
        ("Università di Modena e Reggio Emilia", "Università di Modena e Reggio Emilia"),
        ("one\r\nBcc: all@example.org", "one  Bcc: all@example.org"),
        ("\x1b[31mred\x1b[0m", "\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}[0m"),
        ("invoice\u202efdp.exe", "invoice\N{REPLACEMENT CHARACTER}fdp.exe"),
        ("a\u2028b\x00c\u200bd", "a b\N{REPLACEMENT CHARACTER}c\N{REPLACEMENT CHARACTER}d"),
        ("\udcff", "\N{REPLACEMENT CHARACTER}"),
        ("", ""),
    ],
)
def test_text_becomes_one_harmless_line(text: str, shown: str) -> None:
    assert line(text) == shown


def test_long_text_is_cut_and_says_so() -> None:
    assert line("x" * 1_000_000, 10) == "xxxxxxxxx…"


@given(st.text(), st.integers(1, 50))
def test_no_text_at_all_drives_a_terminal_or_forges_a_header(text: str, longest: int) -> None:
    shown = line(text, longest)
    assert len(shown) <= longest
    assert not [c for c in shown if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}]
    shown.encode()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("mario.rossi@unimore.it has left", "…@unimore.it has left"),
        ("550 <d'angelo+x@unimore.it>: no", "550 <…@unimore.it>: no"),
        ("a@x.it, b@y.it; c@z.it", "…@x.it, …@y.it; …@z.it"),
        ("ò@x.it", "…@x.it"),
        ("it's 'a@x.it'", "it's '…@x.it'"),
        ("at 5 @ night", "at 5 @ night"),
        ("anna@home@x.it", "…@…@x.it"),
        ("'@x.it", "'@x.it"),
        ("mysql+pymysql://host/db", "mysql+pymysql://host/db"),
    ],
)
def test_addresses_lose_who_they_are(text: str, kept: str) -> None:
    assert discreet(text) == kept


@pytest.mark.parametrize("text", ["x" * 2**21 + "@x.it", "x@" * 2**20 + "x", "x" * 2**21])
def test_a_megabyte_without_a_blank_is_no_work(text: str) -> None:
    """One that looks back from each character takes a quarter of a minute of CPU, this one less than a second."""
    begun = time.process_time()
    assert "x@" not in discreet(text)
    assert time.process_time() - begun < 5


def test_a_few_names_and_how_many_more() -> None:
    assert few(["a", "b\n", "c", "d"], 2) == ("a, b", 2)
    assert few([], 2) == ("", 0)
