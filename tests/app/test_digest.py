"""The daily digest: once over all services, caught up, and how everything is."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from collima.app.config.model import Reports
from collima.app.when import when
from collima.state.pauses import Pause
from collima.state.slot_rows import SlotRow
from tests.app.posted import letter
from tests.app.test_telling import body
from tests.app.told import Site, jobs, site

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
DAILY = ", digest: daily at 07:30"
SLOT = datetime(2026, 11, 24, 6, 30, tzinfo=UTC)  # 07:30 in Modena


@pytest.fixture
def campus(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path, digest=DAILY) as made:
        made.tick()
        yield made


def digests(campus: Site) -> list[str]:
    return [subject for subject in campus.told() if subject.startswith("DIGEST")]


@pytest.mark.parametrize("services", [1, 3])
def test_a_digest_comes_each_day_once_over_all_services(tmp_path: Path, services: int) -> None:
    with site(tmp_path, digest=DAILY, services=services) as campus:
        campus.until(SLOT + 2 * DAY + HOUR)
        days = ["2026-11-24", "2026-11-25", "2026-11-26"]
        assert digests(campus) == [f"DIGEST {day}: 1 never run" for day in days]


def test_there_is_no_digest_of_a_time_before_it_was_wanted(tmp_path: Path) -> None:
    with site(tmp_path) as campus:
        campus.until(SLOT + 2 * HOUR)
        assert campus.config.reports
        wanted = replace(campus.config.reports, digest=when("daily at 07:30"))
        campus.config = replace(campus.config, reports=wanted)
        campus.until(SLOT + DAY - HOUR)
        assert digests(campus) == []
        campus.until(SLOT + DAY)
        assert len(digests(campus)) == 1


def test_another_schedule_begins_anew(campus: Site) -> None:
    campus.until(SLOT + HOUR)
    assert len(digests(campus)) == 1
    assert isinstance(campus.config.reports, Reports)
    earlier = replace(campus.config.reports, digest=when("daily at 07:00"))
    campus.config = replace(campus.config, reports=earlier)
    campus.until(SLOT + 2 * HOUR)
    assert digests(campus) == []


def test_a_digest_is_caught_up_within_half_a_day(campus: Site) -> None:
    campus.clock.now = SLOT + 11 * HOUR
    campus.tick()
    assert len(digests(campus)) == 1
    campus.clock.now = SLOT + DAY + 13 * HOUR
    campus.tick()
    assert digests(campus) == []


def test_a_digest_tells_how_everything_is(tmp_path: Path) -> None:
    three = jobs(lists="daily at 05:30", groups="daily at 05:40", by_hand="manual", copy="daily at 06:00")
    with site(tmp_path, jobs=three, digest=DAILY) as campus:
        campus.tick()
        campus.run("failed", "no answer", job="groups")
        campus.clock.later(minutes=1)
        campus.run("held", holds={"docenti": 43})
        campus.journal.slots.claim([SlotRow("copy", campus.clock.now, "missed", cause="it waits for lists")])
        now = campus.clock.now
        campus.journal.pauses.set(Pause("by-hand", now, now + DAY, "the SAN moves", "rossi"))
        campus.journal.services.begin("s1", config="c", version="0.2.0")
        campus.journal.outbox.add([letter("lost")])
        lost = campus.journal.outbox.due("mail", 9)[-1]
        campus.journal.outbox.failed(lost, "550 no such user <x@unimore.it>")
        campus.until(SLOT)
        (mail,) = [mail for mail in campus.mails() if "DIGEST" in str(mail["Subject"])]
        assert mail["Subject"] == "[collima] DIGEST 2026-11-24: 1 failed, 1 missed, 1 held, 1 paused"
        assert mail["Message-ID"] == "<digest.20261124T0630Z@unimore.it>"
        told = body(mail)
        for line in (
            "4 jobs: 1 failed, 1 missed, 1 held, 1 paused.",
            "FAILED   groups\n  05:30 · 20 s · since 05:30 · next tomorrow 05:40\n  no answer\n  X  2026-11-24",
            "MISSED   copy\n  it never ran · since 05:31 · next tomorrow 06:00\n",
            "HELD     lists\n  05:31 · 20 s · next tomorrow 05:30\n  43 of 43 removals\n  !  2026-11-24\n",
            "PAUSED   by-hand\n  it never ran · run by hand\n",
            "  lists · docenti: 43 changes, since 2026-11-24 05:31\n    too many\n    run-job lists --approve ",
            "Mail\n  3 mails wait to be sent\n  1 mail could not be sent\n  1 × 550 no such user <…@unimore.it>\n",
            "Paused\n  by-hand until tomorrow 05:31: the SAN moves (rossi)\n",
            "Services\n  host0 since 05:31, version 0.2.0\n",
            "collima status",
        ):
            assert line in told, line


def test_a_row_of_cells_shows_the_last_thirty_runs_without_those_that_were_tried_again(campus: Site) -> None:
    night = campus.clock.now - 40 * DAY
    for number in range(35):
        campus.clock.now = night + number * DAY
        campus.run("failed" if number % 10 == 9 else "changed", "no answer")
    campus.clock.now = SLOT - DAY
    slot = int(campus.clock.now.timestamp() * 1_000_000)
    for state in ("failed", "in-sync"):
        with campus.journal.begin("lists", "lists", slot=slot, kind="run", config="") as record:
            record.end(state, {}, transient=True, cause="")
    campus.clock.now = SLOT
    campus.tick()
    (mail,) = [mail for mail in campus.mails() if "DIGEST 2026-11-24" in str(mail["Subject"])]
    assert "  ■■■X■■■■■■■■■X■■■■■■■■■X■■■■■■  2026-10-21 … 2026-11-23\n" in body(mail)
    html = str(mail.get_body(("html",)).get_content())  # type: ignore[union-attr]
    assert html.count("<td ") == 30


def test_an_italian_reads_it_in_italian(tmp_path: Path) -> None:
    with site(tmp_path, digest=DAILY, language="it") as campus:
        campus.tick()
        campus.run("changed")
        campus.until(SLOT)
        (mail,) = campus.mails()
        assert mail["Subject"] == "[collima] DIGEST 2026-11-24: 1 bene"
        assert "CHANGED  lists\n  05:30 · 20 s · prossimo domani 05:30\n" in body(mail)


def test_five_hundred_jobs_in_trouble_make_a_mail_that_is_small_enough(tmp_path: Path) -> None:
    many = jobs(**{f"job_{number:03}": "daily at 05:30" for number in range(500)})
    with site(tmp_path, jobs=many, digest=DAILY) as campus:
        campus.tick()
        campus.run("held", job="job-007", holds={f"list-{n}": 9 for n in range(120)})
        campus.until(SLOT)
        (mail,) = [mail for mail in campus.mails() if "DIGEST" in str(mail["Subject"])]
        for kind in ("plain", "html"):
            part = mail.get_body((kind,))
            assert part is not None
            assert len(part.get_payload(decode=True)) <= 100_000
        assert "more jobs" in body(mail)
