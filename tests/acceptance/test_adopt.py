"""From the lists that a site has to lists that Collima keeps: every line that is printed is pasted."""

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.inside import Inside
from tests.acceptance.site import Done, Site
from tests.connectors.sympa_by_hand import excluded, put, rows, typed
from tests.jobs.campus import staff
from tests.servers.sympa import READER_PASSWORD, Sympa, sympa_here, sympa_server

__all__ = ["sympa_here", "sympa_server"]

SCHEDULE = """
version: 1
timezone: Europe/Rome
state: sqlite:///collima.db
connectors:
  people: {{kind: ldif, file: people.ldif}}
  lists:
    kind: sympa
    robot: {robot}
    include-dir: {include_dir}
    lists: {lists}
    sympa: [{command}]
    database: {database}
    database-password: {{env: SYMPA_READER}}
defaults: {{guard: {{small-change: 5}}}}
jobs:
  sympa-lists:
    kind: roster-sync
    when: daily at 05:30
    source: people
    target: lists
    among: (unimoreStatus=active)
    address: unimoreMail
    own-domains: [unimore.it]
    rosters:
      - {{name: docenti, members: (employeeType=PO), mode: watch}}
"""


@dataclass
class Place:
    """A site with Collima and Sympa on one machine."""

    site: Site
    sympa: Sympa

    def schedule(self, *replaced: tuple[str, str]) -> None:
        text = SCHEDULE.format(
            robot=self.sympa.robot,
            include_dir=self.sympa.include_dir,
            lists=self.sympa.lists,
            command=self.sympa.command,
            database=self.sympa.url,
        )
        for old, new in replaced:
            assert old in text
            text = text.replace(old, new)
        self.site.write(text)

    def adopt(self, *only: str) -> dict[str, Any]:
        done = self.site.collima("adopt", "sympa-lists", "--json", *(["--only", *only] if only else []))
        assert done.code == 0, done.err
        return done.json

    def paste(self, *blocks: Iterable[str], check: bool = True) -> None:
        typed(self.sympa, *blocks, folder=self.site.folder, check=check)


def people(site: Site, professors: int = 10) -> None:
    records = [*staff(professors, employeeType="PO"), *staff(80, 5000, employeeType="X")]
    (site.folder / "people.ldif").write_text("".join(records))


def p(*numbers: int) -> set[str]:
    return {f"p{n}@unimore.it" for n in numbers}


@pytest.fixture
def place(sympa_here: Sympa, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """docenti: p0 to p5 and one who left by an old source; p0, p6, a guest and one more by hand; p9 opted out."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, function in (("run-job", "run_job"), ("collima", "main")):
        code = f"import sys; from collima.app.cli import {function}; sys.exit({function}(sys.argv[1:]))"
        (programs / name).write_text(f"#!/bin/sh\nexec {sys.executable} -c '{code}' \"$@\"\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("SYMPA_READER", READER_PASSWORD)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    old = sympa_here.include_dir / "old"
    old.write_text("".join(f"{address}\n" for address in [*sorted(p(*range(6))), "left@unimore.it"]))
    sympa_here.make("docenti", sources=f"include_file {old}\n\n")
    for address in (*p(*range(6)), "left@unimore.it"):
        put(sympa_here, "docenti", address, by_hand=address == "p0@unimore.it", label="old")
    for address in ("p6@unimore.it", "guest@example.org", "former@unimore.it"):
        put(sympa_here, "docenti", address, by_hand=True, label=None)
    sympa_here.query(
        "INSERT INTO exclusion_table (list_exclusion, family_exclusion, robot_exclusion, user_exclusion) "
        "VALUES ('docenti', '', %s, 'p9@unimore.it')",
        sympa_here.robot,
    )
    made = Place(Inside(tmp_path), sympa_here)
    made.schedule()
    people(made.site)
    return made


def test_today_is_sorted_beside_the_stanzas_and_nothing_is_changed_or_stored(place: Place) -> None:
    before = rows(place.sympa, "docenti")
    answer = place.adopt()
    (docenti,) = answer["rosters"]
    assert (answer["job"], answer["target"], docenti["mode"], docenti["claimed"]) == (
        "sympa-lists",
        "lists",
        "watch",
        False,
    )
    assert (docenti["today"], docenti["wanted"]) == (10, 9)
    assert set(docenti["coming"]) == p(7, 8)
    assert set(docenti["staying"]["manual"]) == p(0, 6)
    assert docenti["staying"]["ours"] == []
    assert {label: set(who) for label, who in docenti["staying"]["others"].items()} == {"old": p(1, 2, 3, 4, 5)}
    assert docenti["unwanted"]["manual"] == ["former@unimore.it", "guest@example.org"]
    assert docenti["unwanted"]["others"] == {"old": ["left@unimore.it"]}
    assert docenti["opted_out"] == ["p9@unimore.it"]
    assert docenti["sources"] == [f"include_file {place.sympa.include_dir}/old"]
    assert "mariadb-dump" in answer["backup"]["lines"][0]
    table = place.site.collima("adopt", "sympa-lists")
    assert "p0@unimore.it" not in table.out
    assert table.out.splitlines()[1].split() == [
        *("docenti", "watch", "10", "9", "2", "0", "2", "5", "0", "2", "1", "1", "5", "steps")
    ]
    assert "collima adopt sympa-lists --only LIST" in table.out
    assert rows(place.sympa, "docenti") == before
    assert not (place.site.folder / "collima.db").exists()


def test_a_list_is_rolled_out_by_pasting_what_is_printed(place: Place) -> None:
    place.paste(place.adopt()["backup"]["lines"])
    first = place.site.collima("adopt", "sympa-lists", "--only", "docenti")
    assert "docenti 5. 1 with an address of ours came by hand, and no stanza wants them" in first.out
    assert "guest@example.org" not in " ".join(line for line in first.out.splitlines() if "sympa del" in line)
    (docenti,) = place.adopt("docenti")["rosters"]
    run, *steps = (step["lines"] for step in docenti["steps"])
    assert run == ["run-job sympa-lists --only docenti"]
    place.schedule((", mode: watch", ""))
    place.paste(run, check=False)  # it tells that the list does not read the file yet
    assert set(place.sympa.file("docenti")) == p(*range(9))
    place.paste(*steps[:-1])
    wanted = dict.fromkeys(p(*range(9)), (False, True))
    by_hand = dict.fromkeys(("guest@example.org", "former@unimore.it"), (True, False))
    assert rows(place.sympa, "docenti") == wanted | by_hand
    place.paste(steps[-1])
    assert rows(place.sympa, "docenti") == {**wanted, "guest@example.org": (True, False)}
    assert excluded(place.sympa, "docenti") == {"p9@unimore.it"}

    done = place.site.run_job("sympa-lists")
    assert (done.code, done.json["state"]) == (0, "in-sync"), done.json
    (docenti,) = place.adopt()["rosters"]
    assert docenti["claimed"]
    assert set(docenti["staying"]["ours"]) == p(*range(9))
    assert docenti["steps"] == []  # the guest may stay
    members = place.site.collima("members", "docenti", "--json").json
    assert (len(members["members"]), members["manual"]) == (10, ["guest@example.org"])

    people(place.site, professors=6)  # p6, who came by hand once, leaves with two others
    assert place.site.run_job("sympa-lists").json["state"] == "changed"
    assert place.sympa.members("docenti") == p(*range(6)) | {"guest@example.org"}


@pytest.mark.soak
def test_a_renamed_list_has_the_steps_that_rename_it_there_until_that_is_done(place: Place) -> None:
    sympa = place.sympa
    sympa.clear()
    sympa.plant("docenti", p(*range(9)))
    place.schedule((", mode: watch", ""))
    assert place.site.run_job("sympa-lists").json["state"] == "changed"  # p9 did not opt out
    place.schedule(
        (", mode: watch", ""),
        ("name: docenti", "name: professori"),
        ("    rosters:", "    renamed: {docenti: professori}\n    rosters:"),
    )
    run = place.site.run_job("sympa-lists")
    missing = [finding for finding in run.json["findings"] if finding["code"] == "roster-missing"]
    assert "collima adopt" in missing[0]["text"]
    (professori,) = place.adopt()["rosters"]
    (step,) = professori["steps"]
    place.paste(step["lines"])
    assert place.site.run_job("sympa-lists").json["state"] == "in-sync"
    assert sympa.members("professori") == p(*range(10))
    assert place.adopt()["rosters"][0]["steps"] == []
    assert len(place.site.collima("members", "professori").out.splitlines()) == 10


@pytest.mark.parametrize(
    ("option", "left"), [((), p(*range(10))), (("--close",), set()), (("--forget",), p(*range(10)))]
)
def test_a_list_is_retired_with_the_steps_that_sympa_needs(
    place: Place, option: tuple[str, ...], left: set[str]
) -> None:
    sympa = place.sympa
    sympa.clear()
    sympa.plant("docenti", p(*range(10)))
    sympa.make("altri")
    place.schedule((", mode: watch", ""))
    place.site.run_job("sympa-lists")
    place.schedule(
        (", mode: watch", ""), ("name: docenti", "name: altri"), ("(employeeType=PO)", "(employeeType=none)")
    )
    place.site.run_job("sympa-lists")
    done = place.site.collima("retire", "docenti", *option)
    assert done.code == 0, done.err
    first, *lines = done.out.splitlines()
    assert first.startswith("docenti is no longer managed")
    assert bool(lines) == (option != ("--forget",))
    place.paste(lines[1:])
    if lines and not option:
        sympa.include("docenti")
        assert set(rows(sympa, "docenti").values()) == {(True, False)}
    assert sympa.members("docenti") == left
    assert [f["code"] for f in place.site.run_job("sympa-lists").json["findings"]] == []


def test_what_cannot_be_meant_is_refused(place: Place) -> None:
    def told(*arguments: str) -> Done:
        done = place.site.collima("adopt", *arguments)
        assert (done.code, done.out) == (2, "")
        return done

    assert "has no nowhere" in told("sympa-lists", "--only", "nowhere").err
    assert "no job 'sympa'" in told("sympa").err


def test_a_target_that_knows_no_other_sources_shows_its_members_beside_the_stanzas(tmp_path: Path) -> None:
    site = Inside(tmp_path)
    people(site)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "docenti").write_text("p1@unimore.it\nleft@unimore.it\n")
    head, _, tail = SCHEDULE.partition("  lists:\n")
    text = f"{head}  lists: {{{{kind: list-files, directory: lists}}}}\n{tail[tail.index('defaults') :]}"
    site.write(text.format())
    answer = json.loads(site.collima("adopt", "sympa-lists", "--json").out)
    assert answer["backup"] is None
    (docenti,) = answer["rosters"]
    assert docenti["staying"]["ours"] == ["p1@unimore.it"]
    assert docenti["unwanted"]["ours"] == ["left@unimore.it"]
    assert (len(docenti["coming"]), docenti["steps"]) == (9, [])
    assert "nothing is handed over" in site.collima("adopt", "sympa-lists").out
