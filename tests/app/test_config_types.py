"""Every option type takes what people write, and answers anything else with a ValueError."""

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from collima.app.config.schema import model, schema
from collima.app.config.types import PARSERS
from collima.app.config.yaml import Broken, read
from collima.core.options import Address, Person, Secret, Side
from collima.core.quantities import Amount, Duration
from collima.directory import filters
from tests.app.config_samples import ForEach, People, Stanza, Sync

BASE = Path("/etc/collima")

written_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def read_as(tp: Any, value: object) -> Any:
    return TypeAdapter(schema(tp)).validate_python(value, context=BASE)


@pytest.mark.parametrize(
    ("tp", "value", "option"),
    [
        (str, "", ""),
        (int, 0, 0),
        (bool, True, True),
        (Path, "secrets/x", Path("/etc/collima/secrets/x")),
        (Path, "/x", Path("/x")),
        (Side, "var/mail", "/etc/collima/var/mail"),
        (Side, "mail1.example.org:/srv/mail", "mail1.example.org:/srv/mail"),
        (Side, "/srv/mail:old", "/srv/mail:old"),
        (Duration, "26 hours", Duration(26, "hour")),
        (Amount, "0.5%", Amount(50, percent=True)),
        (Amount, 25, Amount(25, percent=False)),
        (Secret, {"env": "X"}, Secret(env="X")),
        (Secret, {"file": "x"}, Secret(file=Path("/etc/collima/x"))),
        (Address, "A@Example.org", "a@example.org"),
        (date, date(2027, 6, 30), date(2027, 6, 30)),
        (date, "2027-06-30", date(2027, 6, 30)),
        (filters.Filter, "(a=b)", filters.parse("(a=b)")),
        (filters.Template, "(a={b})", filters.template("(a={b})")),
        (Literal["a", "b"], "b", "b"),
        (tuple[str, ...], "one", ("one",)),
        (tuple[str, ...], ["one", "two"], ("one", "two")),
        (tuple[int, ...], [], ()),
        (int | None, 3, 3),
        (Annotated[Annotated[int, "inner"] | None, "outer"], 3, 3),
        (Person, "a@example.org", Person(Address("a@example.org"))),
        (Person, {"address": "a@example.org", "why": "x"}, Person(Address("a@example.org"), why="x")),
        (Address | Person, "a@example.org", "a@example.org"),
        (Duration | Literal["never"], "never", "never"),
        (Duration | Literal["never"], "1 day", Duration(1, "day")),
        (str | Secret, {"env": "X"}, Secret(env="X")),
        (ForEach, "(ou=*)", filters.parse("(ou=*)")),
        (ForEach, {"a": "b", "c": ["d"]}, {"a": ("b",), "c": ("d",)}),
        (ForEach, ["a", "b"], ("a", "b")),
    ],
)
def test_what_people_write_becomes_the_option(tp: Any, value: object, option: object) -> None:
    assert read_as(tp, value) == option


@pytest.mark.parametrize(
    ("tp", "value"),
    [
        (str, 12),
        (str, None),
        (int, "12"),
        (int, True),
        (int, 1.0),
        (int, -1),
        (bool, "yes"),
        (bool, 1),
        (Path, ""),
        (Path, 12),
        (Duration, 12),
        (Duration, "12"),
        (Amount, True),
        (Amount, 1.5),
        (Amount, "12"),
        (Secret, "hunter2"),
        (Secret, {}),
        (Secret, {"file": ""}),
        (Secret, {"file": "x", "env": "X"}),
        (Secret, {"env": 12}),
        (Address, "Rossi"),
        (date, "2027-02-30"),
        (date, 20270630),
        (filters.Filter, "ou=*"),
        (filters.Template, "(a={b"),
        (Literal["a", "b"], "c"),
        (Literal["a", "b"], ["a"]),
        (tuple[str, ...], None),
        (tuple[str, ...], {"a": "b"}),
        (ForEach, "word"),
        (ForEach, 12),
        (int | None, None),
    ],
)
def test_nothing_is_converted_or_guessed(tp: Any, value: object) -> None:
    with pytest.raises(ValidationError):
        read_as(tp, value)


@pytest.mark.parametrize("tp", PARSERS, ids=lambda tp: getattr(tp, "__name__", "Filter"))
@given(value=written_values)
def test_a_parser_raises_nothing_but_value_errors(tp: Any, value: object) -> None:
    try:
        PARSERS[tp].parse(value, BASE)
    except ValueError as err:
        told = str(err)
    else:
        told = "nothing"
    assert told


@pytest.mark.parametrize("cls", [People, Stanza, Sync, Person])
@given(data=st.data())
def test_a_model_raises_nothing_but_validation_errors_that_name_a_place(cls: Any, data: st.DataObject) -> None:
    keys = st.sampled_from(
        ["url", "base", "password", "name", "members", "for-each", "also", "except", "guard", "rosters"]
    )
    value = data.draw(st.dictionaries(keys | st.text(max_size=5), written_values, max_size=6))
    try:
        TypeAdapter(model(cls)).validate_python(value, context=BASE)
    except ValidationError as err:
        lines = err.errors()
    else:
        lines = []
    assert all(line["loc"] and line["msg"] for line in lines)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("NO", "NO"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("0x1F", 31),
        ("0o17", 15),
        ("0012", 12),
        ("1_000", "1_000"),
        ("+12", 12),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        (".INF", float("inf")),
        ("true", True),
        ("~", None),
        ("2027-06-30", date(2027, 6, 30)),
        ("2027-6-30", "2027-6-30"),
        ("2027-06-30T10:00:00Z", "2027-06-30T10:00:00Z"),
        ("'12'", "12"),
        ("=", "="),
        ("٣", "٣"),
        ("1" * 200, float("1" * 200)),
    ],
)
def test_scalars_are_resolved_by_the_core_schema_of_yaml_1_2_and_dates(text: str, value: object) -> None:
    root, faults = read(f"key: {text}\n")

    assert (root.value, faults) == ({"key": value}, [])


@given(st.text(max_size=60))
def test_any_text_is_a_tree_or_one_broken_place(text: str) -> None:
    try:
        root, faults = read(text)
    except Broken as err:
        faults = [err.fault]
    else:
        assert root.size > 0
    assert all(fault.line > 0 for fault in faults)
