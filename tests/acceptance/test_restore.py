"""Restore on request, end to end: a copy, a real Dovecot, the commands as a person types them."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.inside import Inside
from tests.acceptance.site import Done, Site
from tests.servers.dovecot import Dovecot, dovecot_server

__all__ = ["dovecot_server"]

SCHEDULE = """
version: 1
timezone: Europe/Rome
state: sqlite:///collima.db
reports: {{from: collima@unimore.it, to: [posta@unimore.it], via: mail, language: it}}
connectors:
  store: {{kind: rsync, from: {mail}, to: {copy}, sentinel: .mailstore}}
  dovecot: {{kind: dovecot, doveadm: {doveadm}}}
  mail: {{kind: maildir, directory: post}}
jobs:
  restore: {{kind: restore, when: manual, store: store, mailstore: dovecot, via: mail, domain: unimore.it}}
"""
OLD, NEW = "2026-11-14T2200Z", "2026-11-21T2200Z"
TICKET = ("--reason", "RT 4711")


@dataclass
class Place:
    """A mailbox that is empty, and copies of it."""

    site: Inside
    server: Dovecot
    user: str
    copy: Path

    def has(
        self,
        name: str,
        *,
        sender: str = "carla.verdi@example.org",
        subject: str = "riunione",
        flags: str = "S",
        folder: str = "",
        generation: str = NEW,
        at: datetime = datetime(2026, 11, 3, 9, 30, tzinfo=UTC),
        content: bytes | None = None,
    ) -> Path:
        """A message of a copy."""
        there = self.copy / generation / self.user / "Maildir" / folder
        for part in ("tmp", "new", "cur"):
            (there / part).mkdir(parents=True, exist_ok=True)
        path = there / "cur" / f"{name}:2,{flags}"
        text = f"From: {sender}\nSubject: {subject}\nMessage-ID: <{name}@example.org>\n\nTesto.\n"
        path.write_bytes(text.encode() if content is None else content)
        os.utime(path, (at.timestamp(), at.timestamp()))
        return path

    def find(self, *options: str) -> list[dict[str, Any]]:
        done = self.site.collima("restore", "find", self.user, *options, "--json")
        assert done.code == 0, done
        found: list[dict[str, Any]] = json.loads(done.out)
        return found

    def put(self, *words: str) -> Done:
        return self.site.collima("restore", "put", self.user, *words, *TICKET, "--json")

    def history(self) -> list[dict[str, Any]]:
        runs: list[dict[str, Any]] = json.loads(self.site.collima("history", "--json").out)
        return [entry["run"] for entry in runs]

    def live(self) -> dict[str, str]:
        """By guid, the folder of each message."""
        rows = self.server.run("-f", "tab", "fetch", "-u", self.user, "guid mailbox", "all").splitlines()[1:]
        pairs = [row.split("\t") for row in rows if row]
        assert len(pairs) == len({guid for guid, _ in pairs}), "a message is there twice"
        return dict(pairs)

    def state_of_copy(self) -> list[tuple[str, int, int, int]]:
        """All that writing into it would change."""
        found = sorted(self.copy.rglob("*"))
        return [(str(p), p.lstat().st_ino, p.lstat().st_ctime_ns, p.lstat().st_nlink) for p in found]

    def letters(self) -> list[str]:
        return [path.read_text() for path in sorted((self.site.folder / "post").glob("new/*"))]


@pytest.fixture
def place(tmp_path: Path, dovecot_server: Dovecot) -> Iterator[Place]:
    user = dovecot_server.somebody()
    copy = tmp_path / "copy"
    (copy / NEW).mkdir(parents=True)
    site = Inside(tmp_path)
    site.write(SCHEDULE.format(mail=dovecot_server.mail, copy=copy, doveadm=dovecot_server.doveadm))
    yield Place(site, dovecot_server, user, copy)
    shutil.rmtree(dovecot_server.mail / user)


def test_a_message_is_found_in_the_copy_and_put_back_with_its_flags_its_date_and_its_guid(place: Place) -> None:
    place.has("1700000001.M1P1.mail1", sender="=?utf-8?q?J=C3=BCrgen?= <j@example.org>", flags="FRS")
    place.has("1700000002.M2P1.mail1", sender="altri@example.org")
    before = place.state_of_copy()
    (hit,) = place.find("--from", "jürgen")
    assert (hit["author"], hit["folder"], hit["generation"]) == ("Jürgen <j@example.org>", "INBOX", NEW)
    assert hit["received"].startswith("2026-11-03T10:30:00+01:00")

    done = place.put(hit["id"])
    assert done.code == 0, done
    assert done.json["state"] == "changed"
    (back,) = done.json["restored"]
    today = datetime.now().astimezone().date()
    assert (back["guid"], back["flags"], back["author"]) == (hit["id"], "FRS", "Jürgen <j@example.org>")
    assert back["received"].startswith("2026-11-03T")
    assert back["folder"].startswith("Recuperati/20")
    assert abs((datetime.fromisoformat(back["folder"][11:]).date() - today).days) <= 1
    assert place.live() == {hit["id"]: back["folder"]}
    assert place.state_of_copy() == before
    assert place.server.complaints == []


def test_what_was_put_back_is_listed_recorded_with_its_reason_and_told_to_the_owner(place: Place) -> None:
    place.has("1700000001.M1P1.mail1", subject="=?utf-8?b?w4ggdXJnZW50ZQ==?=")
    done = place.site.collima("restore", "put", place.user, "1700000001.M1P1.mail1", *TICKET)
    assert done.code == 0, done
    assert "read again by IMAP" in done.out
    assert "È urgente" in done.out
    (run,) = place.history()
    assert (run["job"], run["state"]) == ("restore", "changed")
    shown = place.site.collima("show", run["id"])
    assert "RT 4711" in shown.out
    assert "1700000001.M1P1.mail1" in shown.out
    (letter,) = place.letters()
    assert f"To: {place.user}@unimore.it" in letter
    assert "tornato" in letter
    assert "Recuperati/20" in letter
    assert "RT 4711" not in letter


def test_a_plan_puts_nothing_back_and_stores_nothing(place: Place) -> None:
    place.has("1700000001.M1P1.mail1")
    done = place.put("1700000001.M1P1.mail1", "--plan")
    assert (done.code, done.json["state"]) == (0, "planned")
    assert place.live() == {}
    assert place.history() == []


def test_a_message_is_not_put_back_twice_wherever_it_is_now(place: Place) -> None:
    place.has("1700000001.M1P1.mail1")
    assert place.put("1700000001.M1P1.mail1").code == 0
    place.server.run("mailbox", "create", "-u", place.user, "Altrove")
    place.server.run("move", "-u", place.user, "Altrove", "mailbox", "Recuperati/*", "all")
    again = place.put("1700000001.M1P1.mail1")
    assert (again.code, again.json["state"]) == (0, "in-sync")
    assert again.json["there"] == [{"message": "1700000001.M1P1.mail1", "folder": "Altrove"}]
    assert [f["code"] for f in again.json["findings"]] == ["already-there"]
    assert place.live() == {"1700000001.M1P1.mail1": "Altrove"}
    assert len(place.letters()) == 1


def test_a_copy_of_what_was_put_back_is_known_by_its_own_name_too(place: Place) -> None:
    """A later generation has the restored message as a file of another name: its guid is in Dovecot's own list."""
    place.has("1700000001.M1P1.mail1")
    place.put("1700000001.M1P1.mail1")
    (file,) = (place.server.mail / place.user).rglob("cur/*")
    assert not file.name.startswith("1700000001")
    place.has(file.name.partition(":")[0], content=file.read_bytes(), generation="2026-11-28T2200Z")
    again = place.put(file.name.partition(":")[0])
    assert again.json["state"] == "in-sync", again
    assert len(place.live()) == 1


def test_a_whole_folder_comes_back_with_the_folders_below_it_and_their_accents(place: Place) -> None:
    place.has("1700000001.M1P1.mail1", folder=".Universit&AOA-.2013")
    place.has("1700000002.M1P1.mail1", folder=".Universit&AOA-", flags="")
    place.has("1700000003.M1P1.mail1")
    done = place.put("--folder", "Università", "--into", "Ripristino/Così")
    assert done.code == 0, done
    assert place.live() == {
        "1700000001.M1P1.mail1": "Ripristino/Così/Università/2013",
        "1700000002.M1P1.mail1": "Ripristino/Così/Università",
    }
    assert {one["folder"] for one in done.json["restored"]} == set(place.live().values())
    subscribed = place.server.run("mailbox", "list", "-s", "-u", place.user).splitlines()
    assert set(place.live().values()) <= set(subscribed)


def test_a_damaged_message_is_told_and_the_others_come_back(place: Place) -> None:
    """One that is shorter than its name says would end each session that opens the folder."""
    whole = b"From: a@example.org\nSubject: whole\n\nText.\n"
    place.has("1700000001.M1P1.mail1", content=b"")
    place.has("1700000002.M1P1.mail1,S=2900", content=whole)
    place.has(f"1700000003.M1P1.mail1,S={len(whole)}", content=whole)
    done = place.put("--folder", "INBOX")
    assert (done.code, done.json["state"]) == (0, "changed"), done
    assert [f["code"] for f in done.json["findings"]] == ["damaged-in-copy"]
    assert {one["message"]: one["fault"] for one in done.json["damaged"]} == {
        "1700000001.M1P1.mail1": "is empty",
        "1700000002.M1P1.mail1,S=2900": f"has {len(whole)} bytes of 2900",
    }
    assert list(place.live()) == [f"1700000003.M1P1.mail1,S={len(whole)}"]
    assert place.server.complaints == []


def test_what_only_an_older_generation_has_is_found_and_put_back(place: Place) -> None:
    place.has("1700000001.M1P1.mail1", generation=OLD)
    place.has("1700000002.M1P1.mail1")
    place.has("1700000002.M1P1.mail1", generation=OLD, flags="")
    assert [hit["id"] for hit in place.find()] == ["1700000002.M1P1.mail1"]
    every = place.find("--generation", "all")
    assert {h["id"]: h["generation"] for h in every} == {"1700000001.M1P1.mail1": OLD, "1700000002.M1P1.mail1": NEW}
    assert place.put("1700000001.M1P1.mail1").code == 0
    assert list(place.live()) == ["1700000001.M1P1.mail1"]


def test_find_narrows_by_folder_subject_and_days(place: Place) -> None:
    place.has(
        "1.M1P1.mail1", folder=".Archivio", subject="Bilancio di Ateneo", at=datetime(2026, 3, 31, 21, 59, tzinfo=UTC)
    )
    place.has("2.M1P1.mail1", folder=".Archivio", subject="bilancio", at=datetime(2026, 3, 31, 22, 1, tzinfo=UTC))
    place.has("3.M1P1.mail1", subject="BILANCIO", at=datetime(2026, 4, 2, 10, tzinfo=UTC))

    def found(*options: str) -> list[str]:
        return [hit["id"][0] for hit in place.find(*options)]

    assert found("--subject", "bilancio") == ["1", "2", "3"]
    assert found("--folder", "Archivio") == ["1", "2"]
    assert found("--folder", "inbox") == ["3"]
    assert found("--until", "2026-03-31") == ["1"]  # midnight of the site's zone
    assert found("--since", "2026-04-01", "--until", "2026-04-01") == ["2"]
    assert found("--subject", "di ateneo", "--since", "2026-03-31") == ["1"]
    table = place.site.collima("restore", "find", place.user, "--subject", "ateneo").out.splitlines()
    assert table[1].split()[:2] == ["2026-03-31", "23:59"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("find", "anna.rosi"), "there is no mailbox 'anna.rosi'"),
        (("find", "{user}", "--generation", "2026-01-01T0000Z"), "there is no generation"),
        (("put", "{user}", "nothing.such", *TICKET), "has no message nothing.such"),
        (("put", "{user}", "--folder", "Nulla", *TICKET), "nothing in a folder Nulla"),
        (("put", "{user}", *TICKET), "name messages"),
        (("put", "{user}", "1700000001.M1P1.mail1", "--reason", " "), "--reason"),
        (("put", "{user}", "1700000001.M1P1.mail1", "--into", "INBOX", *TICKET), "--into"),
        (("put", "{user}", "1700000001.M1P1.mail1", "--into", "a.b", *TICKET), "--into"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error_and_leaves_no_run(
    place: Place, words: tuple[str, ...], told: str
) -> None:
    place.has("1700000001.M1P1.mail1")
    done = place.site.collima("restore", *(word.format(user=place.user) for word in words))
    assert (done.code, done.out) == (2, ""), done
    assert told in done.err
    assert place.live() == {}
    assert place.history() == []


def test_a_restore_does_not_run_by_itself_and_hinders_nobody_who_looks_at_every_job(place: Place) -> None:
    done = place.site.run_job("restore", json=False)
    assert done.code == 2
    assert "collima restore put" in done.err
    assert place.site.collima("plan", "--json").code == 0
    checked = place.site.collima("check", "--connect", "--json")
    assert [one for one in json.loads(checked.out) if not one["ok"] and "restore" in one["what"]] == []


def test_an_undo_says_that_there_is_no_way_back(place: Place) -> None:
    place.has("1700000001.M1P1.mail1")
    run = place.put("1700000001.M1P1.mail1").json["run"]
    done = place.site.collima("undo", run, "--json")
    assert [f["code"] for f in done.json["findings"]] == ["no-way-back"]
    assert list(place.live()) == ["1700000001.M1P1.mail1"]


def test_a_mailbox_that_is_in_the_copy_and_not_in_dovecot_fails_the_run(place: Place) -> None:
    place.has("1700000001.M1P1.mail1")
    (place.copy / NEW / place.user).rename(place.copy / NEW / "gone.forever")
    done = place.site.collima("restore", "put", "gone.forever", "1700000001.M1P1.mail1", *TICKET, "--json")
    assert (done.code, done.json["state"]) == (1, "failed")
    assert "User doesn't exist" in done.json["findings"][0]["text"]


@pytest.mark.parametrize(
    ("code", "imports", "state"), [(75, True, "changed"), (0, False, "failed"), (75, False, "failed")]
)
def test_what_doveadm_answers_is_not_taken_for_what_is_so(place: Place, code: int, imports: bool, state: str) -> None:
    real = " ".join(place.server.doveadm)
    liar = place.site.folder / "doveadm"
    deed = f'{real} "$@"' if imports else "true"
    liar.write_text(f'#!/bin/sh\nif [ "$1" = import ]; then {deed}; exit {code}; fi\nexec {real} "$@"\n')
    liar.chmod(0o755)
    place.site.write(SCHEDULE.format(mail=place.server.mail, copy=place.copy, doveadm=f"[{liar}]"))
    place.has("1700000001.M1P1.mail1")
    done = place.put("1700000001.M1P1.mail1")
    assert done.json["state"] == state, done
    assert len(place.live()) == imports
    assert len(place.letters()) == imports


def test_a_name_that_is_no_utf8_comes_back_and_is_known_again(place: Place) -> None:
    raw = place.has("1700000001.MxP1.mail1")
    raw.rename(raw.with_name(os.fsdecode(b"1700000001.M\xe8P1.mail1:2,S")))
    (hit,) = place.find()
    assert hit["id"] == r"1700000001.M\xe8P1.mail1"
    done = place.put(hit["id"])
    assert done.code == 0, done
    assert [f["code"] for f in done.json["findings"]] == []
    assert [one["guid"] for one in done.json["restored"]] == [hit["id"]]
    assert place.put(hit["id"]).json["state"] == "in-sync"


def test_names_that_differ_in_a_byte_that_is_no_utf8_are_two_messages(place: Place) -> None:
    raw = place.has("1700000001.MxP1.mail1")
    for name in (b"1700000001.M\xe8P1.mail1:2,S", b"1700000001.M\xe9P1.mail1:2,S", b"1700000001.M\\xe8P1.mail1:2,S"):
        raw.with_name(os.fsdecode(name)).write_bytes(raw.read_bytes())
    raw.unlink()
    ids = sorted(hit["id"] for hit in place.find())
    assert ids == [r"1700000001.M\x5cxe8P1.mail1", r"1700000001.M\xe8P1.mail1", r"1700000001.M\xe9P1.mail1"]
    first = place.put(ids[1])
    assert [one["guid"] for one in first.json["restored"]] == [ids[1]], first
    rest = place.put("--folder", "INBOX")
    assert sorted(one["guid"] for one in rest.json["restored"]) == [ids[0], ids[2]], rest


def test_a_folder_with_a_slash_in_its_name_is_listed_and_its_messages_come_back(place: Place) -> None:
    """As Courier wrote it: Dovecot makes no folder of this name, and shows one that it finds as it is written."""
    place.has("1700000001.M1P1.mail1", folder=".Verbali 2012&AC8-2013")
    (hit,) = place.find("--folder", "Verbali 2012&AC8-2013")
    assert hit["folder"] == "Verbali 2012&AC8-2013"
    assert place.find("--folder", "Verbali 2012/2013") == []
    done = place.put("--folder", hit["folder"], "--into", "Ripristino")
    assert done.code == 0, done
    assert place.live() == {"1700000001.M1P1.mail1": "Ripristino/Verbali 2012&AC8-2013"}
    assert [one["folder"] for one in done.json["restored"]] == ["Ripristino/Verbali 2012&AC8-2013"]


def test_a_run_that_was_killed_before_it_could_tell_is_done_again_without_a_duplicate(place: Place) -> None:
    """The import was made, and nothing of it is on record."""
    place.has("1700000001.M1P1.mail1")
    place.has("1700000002.M1P1.mail1")
    real = " ".join(place.server.doveadm)
    killer = place.site.folder / "doveadm"
    killer.write_text(f'#!/bin/sh\n{real} "$@" || exit\n[ "$1" != import ] || kill -9 $PPID\n')
    killer.chmod(0o755)
    place.site.write(SCHEDULE.format(mail=place.server.mail, copy=place.copy, doveadm=f"[{killer}]"))
    words = ("restore", "put", place.user, "--folder", "INBOX", *TICKET)
    waiting = place.server.folder / "waiting"
    waiting.mkdir(mode=0o711)
    killed = Site(place.site.folder, {"TMPDIR": str(waiting)}).collima(*words)
    assert killed.code == -9
    assert len(place.live()) == 2
    place.site.write(SCHEDULE.format(mail=place.server.mail, copy=place.copy, doveadm=place.server.doveadm))
    assert place.letters() == []
    for _ in range(2):
        again = place.put("--folder", "INBOX")
        assert (again.code, again.json["state"]) == (0, "in-sync")
        assert len(place.live()) == 2
        (letter,) = place.letters()  # what the killed run could not write
        assert "riunione" in letter
    assert [run["state"] for run in place.history()] == ["in-sync", "in-sync", "failed"]


@pytest.mark.parametrize("how", ["", "setpriv --pdeathsig clear"], ids=["doveadm", "under sudo"])
def test_a_doveadm_that_outlives_a_killed_run_imports_nothing_twice(place: Place, how: str) -> None:
    """Under sudo it does not die with us: what it would read is gone before the next run looks."""
    place.has("1700000001.M1P1.mail1")
    place.has("1700000002.M1P1.mail1")
    waiting = place.server.folder / f"waiting-{place.user}"
    waiting.mkdir(mode=0o711)
    late, ended = place.site.folder / "late", place.site.folder / "ended"
    late.write_text(f'#!/bin/sh\nkill -9 $1; sleep 4; shift; {" ".join(place.server.doveadm)} "$@"; touch {ended}\n')
    late.chmod(0o755)
    killer = place.site.folder / "doveadm"
    real = " ".join(place.server.doveadm)
    killer.write_text(f'#!/bin/sh\n[ "$1" = import ] && exec {how} {late} $PPID "$@"\nexec {real} "$@"\n')
    killer.chmod(0o755)
    schedule = SCHEDULE.replace("doveadm: {doveadm}", f"doveadm: {{doveadm}}, staging: {waiting}")
    place.site.write(schedule.format(mail=place.server.mail, copy=place.copy, doveadm=f"[{killer}]"))
    words = ("restore", "put", place.user, "--folder", "INBOX", *TICKET)
    assert Site(place.site.folder).collima(*words).code == -9
    place.site.write(schedule.format(mail=place.server.mail, copy=place.copy, doveadm=place.server.doveadm))
    time.sleep(1.1)
    assert place.put("--folder", "INBOX").json["state"] == "changed"
    deadline = time.monotonic() + 10
    while how and not ended.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert ended.exists() == bool(how)
    rows = place.server.run("-f", "tab", "fetch", "-u", place.user, "guid", "all").splitlines()[1:]
    assert len(rows) == 2
    assert list(waiting.iterdir()) == []


def test_what_was_deleted_and_put_back_again_is_told_again(place: Place) -> None:
    place.has("1700000001.M1P1.mail1")
    place.put("1700000001.M1P1.mail1")
    place.server.run("expunge", "-u", place.user, "mailbox", "Recuperati/*", "all")
    again = place.put("1700000001.M1P1.mail1").json
    assert again["state"] == "changed"
    assert len(place.letters()) == 2
    place.server.run("mailbox", "delete", "-u", place.user, again["into"])
    assert place.put("1700000001.M1P1.mail1").json["state"] == "changed"
    assert len(place.letters()) == 3
