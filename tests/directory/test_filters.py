import pytest
from hypothesis import given
from hypothesis import strategies as st

from collima.directory.filters import (
    And,
    Equal,
    Extensible,
    FilterSyntaxError,
    Not,
    NoValue,
    Or,
    Present,
    Substrings,
    attributes,
    parse,
    shape,
    template,
    text,
)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("(&)", And(())),
        ("(|)", Or(())),
        ("(cn=*)", Present("cn")),
        ("(sn= *)", Substrings("sn", b" ")),
        ("(cn=*a*b*)", Substrings("cn", b"", (b"a", b"b"))),
        (r"(cn=a\2ab)", Equal("cn", b"a*b")),
        (r"(cn;lang-it=\c3\a0è)", Equal("cn;lang-it", "àè".encode())),
        ("(!(2.5.4.3=))", Not(Equal("2.5.4.3", b""))),
        ("(cn:dn:2.5.13.5:=x)", Extensible("cn", "2.5.13.5", True, b"x")),
        ("(:caseExactMatch:=x)", Extensible("", "caseExactMatch", False, b"x")),
    ],
)
def test_a_filter_is_read_and_written_back(written: str, meant: object) -> None:
    assert parse(written) == meant
    assert parse(text(parse(written))) == meant


@pytest.mark.parametrize(
    ("written", "position", "cure"),
    [
        ("cn=a", 1, "begins with '('"),
        ("(cn=a", 6, "')' is missing"),
        ("(cn=a)x", 7, "something follows"),
        ("(cn=a**b)", 7, "one '*'"),
        ("(& (cn=a))", 3, "white space"),
        (r"(cn=a\2)", 6, r"\5c"),
        ("(cn=(x))", 5, r"\28"),
        ("(cn>=a*)", 7, r"\2a"),
        ("(:=x)", 2, "an attribute"),
        ("(&" * 200 + ")" * 200, 201, "flatter"),
    ],
)
def test_a_mistake_has_its_place_and_its_cure(written: str, position: int, cure: str) -> None:
    with pytest.raises(FilterSyntaxError) as caught:
        parse(written)
    assert caught.value.position == position
    assert cure in str(caught.value)


@given(st.binary(max_size=20), st.binary(min_size=1, max_size=9))
def test_any_octets_survive_being_written(value: bytes, part: bytes) -> None:
    for one in (Equal("cn", value), Substrings("cn", part, (part, part), value)):
        assert parse(text(one)) == one


def test_a_filter_tells_its_attributes_and_its_shape_without_values() -> None:
    one = parse("(&(CN;lang-it=Rossi)(!(mail=*rossi@x.it))(:caseExactMatch:=Rossi))")
    assert attributes(one) == {"cn", "mail"}
    assert shape(one) == "(&(CN;lang-it=…)(!(mail=*…))(:caseExactMatch:=…))"


def test_several_values_make_an_or_of_the_whole_comparison_and_every_combination() -> None:
    values = {("p", "ou"): ["a", "*)"], ("r", ""): ["1", "2"]}
    made = template("(&(l=x)(!(ou={p.ou}-{r})))").render(lambda *which: values[which])
    assert text(made) == r"(&(l=x)(!(|(ou=a-1)(ou=a-2)(ou=\2a\29-1)(ou=\2a\29-2))))"


def test_a_placeholder_without_a_value_or_empty_in_a_substring_matches_nobody_by_mistake() -> None:
    with pytest.raises(NoValue, match=r"\{p\.ou\}"):
        template("(ou={p.ou})").render(lambda *_: [])
    with pytest.raises(NoValue):
        template("(ou={p}*)").render(lambda *_: [""])


def test_braces_that_are_no_placeholder_are_escaped() -> None:
    assert template(r"(cn=\7bx\7d)").render(lambda *_: []) == Equal("cn", b"{x}")
    with pytest.raises(FilterSyntaxError, match=r"\\7b and \\7d"):
        template("(cn={a b})")
