from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from collima.app.config.model import Defaults, Freeze, Keep, Reports, Reserved, Retry, Top
from collima.app.config.types import option
from collima.app.kinds import KINDS, Family, load_kind
from collima.app.reference import about, options, page
from collima.core.options import Guard, Person
from tests.app.config_samples import SAMPLES

DOCS = Path(__file__).parents[2] / "docs/reference"
BUILT = [*KINDS.connectors.built, *KINDS.jobs.built]


def test_the_reference_of_kinds_is_the_one_that_the_code_draws() -> None:
    assert (DOCS / "kinds.md").read_text("utf-8") == page(), "stale: run `make docs`"


@pytest.mark.parametrize("kind", BUILT)
def test_every_kind_and_option_has_a_doc_of_one_line(kind: str) -> None:
    def documented(cls: Any) -> None:
        assert about(cls)
        for one in options(cls):
            assert one.doc, f"{one.name} of {kind} has no doc"
            assert "\n" not in one.doc
            if one.below is not None:
                documented(one.below)

    documented(load_kind(kind))


@pytest.mark.parametrize("cls", [Top, Reports, Defaults, Keep, Reserved, Retry, Freeze, Guard, Person])
def test_every_key_outside_the_kinds_is_in_the_page_about_the_file(cls: Any) -> None:
    text = (DOCS / "schedules.md").read_text("utf-8")

    keys = [option(field.name) for field in fields(cls)]

    assert [key for key in keys if f"`{key}`" not in text and f"{key}: " not in text] == []


def test_a_connector_says_which_ports_it_offers() -> None:
    for kind in KINDS.connectors.built:
        offers = KINDS.connectors.load(kind).offers  # type: ignore[union-attr]
        assert offers
        assert offers <= {
            "directory",
            "rosters",
            "accounts",
            "mail",
            "snapshots",
            "quarantine",
            "mailstore",
            "store",
            "copies",
        }


def test_unknown_kinds_are_no_kinds() -> None:
    with pytest.raises(KeyError):
        load_kind("mailbox")
    assert Family({}, frozenset({"tomorrow"})).load("tomorrow") is None


def test_options_read_as_they_are_written_in_the_file() -> None:
    sync = {one.name: one for one in options(SAMPLES.jobs.load("roster-sync"))}
    stanza = {one.name: one.written for one in options(sync["rosters"].below)}

    assert sync["source"].written == "connector that offers directory"
    assert sync["own-domains"].written == "list of text"
    assert sync["address"].written == "text or mapping"
    assert sync["rosters"].written == "list of mappings"
    assert stanza["for-each"] == "mapping of names to filter, mapping or list"
    assert stanza["mode"] == "`apply` or `watch`"
    assert [one.name for one in options(SAMPLES.connectors.load("ldap"))][:2] == ["url", "base"]
