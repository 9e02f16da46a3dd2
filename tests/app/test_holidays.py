"""Days that have an event in a real .ics, as calendar programs export them."""

from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from collima.app.holidays import has_event
from collima.core.errors import ConfigError

ROME = ZoneInfo("Europe/Rome")
EXPORTED = Path(__file__).with_name("holidays.ics")


def event(*lines: str, uid: str = "1") -> str:
    return "".join(
        f"{line}\r\n" for line in ("BEGIN:VEVENT", f"UID:{uid}", "DTSTAMP:20260101T000000Z", *lines, "END:VEVENT")
    )


def calendar(*events: str, head: str = "") -> str:
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example//EN\r\n{head}{''.join(events)}END:VCALENDAR\r\n"


def days(path: Path, first: str, last: str, zone: ZoneInfo = ROME) -> list[str]:
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    asked = (start + timedelta(days=n) for n in range((end - start).days + 1))
    return [f"{day:%m-%d}" for day in asked if has_event(path, day, zone)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "holidays.ics"


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["DTSTART;VALUE=DATE:20261224"], ["12-24"]),
        (["DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261225"], ["12-24"]),
        (["DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261227"], ["12-24", "12-25", "12-26"]),
        (["DTSTART;VALUE=DATE:20261224", "DURATION:P2D"], ["12-24", "12-25"]),
        (["DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261224"], ["12-24"]),
        (["DTSTART:20261224T100000", "DTEND:20261224T110000"], ["12-24"]),
        (["DTSTART:20261224T100000"], ["12-24"]),
        (["DTSTART:20261223T220000", "DTEND:20261224T000000"], ["12-23"]),  # ends as the day begins: not in it
        (["DTSTART:20261223T220000", "DTEND:20261224T000001"], ["12-23", "12-24"]),
        (["DTSTART:20261224T230000Z", "DTEND:20261224T233000Z"], ["12-25"]),  # past midnight in Rome
        (["DTSTART;TZID=America/New_York:20261224T200000", "DURATION:PT1H"], ["12-25"]),
        (["DTSTART;TZID=W. Europe Standard Time:20261224T233000", "DURATION:PT1H"], ["12-24", "12-25"]),
        (["DTSTART;VALUE=DATE:20261224", "TRANSP:TRANSPARENT"], ["12-24"]),
        (["DTSTART;VALUE=DATE:20261224", "STATUS:CANCELLED"], []),
        (["DTSTART;VALUE=DATE:20261222", "RRULE:FREQ=DAILY;COUNT=3"], ["12-22", "12-23", "12-24"]),
        (["DTSTART;VALUE=DATE:20201224", "RRULE:FREQ=YEARLY"], ["12-24"]),
        (["DTSTART;VALUE=DATE:20201221", "RRULE:FREQ=WEEKLY;BYDAY=MO", "EXDATE;VALUE=DATE:20261221"], []),
        (["DTSTART;VALUE=DATE:20200101", "RDATE;VALUE=DATE:20261222"], ["12-22"]),
        (["DTSTART;VALUE=DATE:20201221", "RRULE:FREQ=YEARLY;UNTIL=20251221"], []),
    ],
)
def test_a_day_counts_when_an_event_touches_it(file: Path, lines: Iterable[str], found: list[str]) -> None:
    file.write_text(calendar(event(*lines)))
    assert days(file, "2026-12-20", "2026-12-27") == found


def test_one_day_of_a_series_can_be_moved_or_cancelled(file: Path) -> None:
    series = event("DTSTART;VALUE=DATE:20261221", "RRULE:FREQ=DAILY;COUNT=4")
    moved = event("RECURRENCE-ID;VALUE=DATE:20261222", "DTSTART;VALUE=DATE:20261227")
    cancelled = event("RECURRENCE-ID;VALUE=DATE:20261223", "DTSTART;VALUE=DATE:20261223", "STATUS:CANCELLED")
    file.write_text(calendar(series, moved, cancelled))
    assert days(file, "2026-12-20", "2026-12-28") == ["12-21", "12-24", "12-27"]


def test_a_weekly_closing_stays_on_its_hour_when_the_clocks_change(file: Path) -> None:
    file.write_text(calendar(event("DTSTART;TZID=Europe/Rome:20260101T233000", "DURATION:PT29M", "RRULE:FREQ=WEEKLY")))
    assert days(file, "2026-07-01", "2026-07-03") == ["07-02"]
    assert days(file, "2026-12-02", "2026-12-04") == ["12-03"]


def test_what_a_calendar_program_exports_is_understood() -> None:
    """Folded lines, a VTIMEZONE, alarms, a task, two calendars in one file: written by hand after such an export."""
    assert days(EXPORTED, "2026-12-20", "2027-01-08") == ["12-24", "12-25", "12-26", "12-31", "01-01", "01-06"]
    assert days(EXPORTED, "2027-08-09", "2027-08-20") == ["08-13", "08-15", "08-16"]


def test_times_in_another_zone_than_the_site_are_on_the_day_that_the_site_has(file: Path) -> None:
    file.write_text(calendar(event("DTSTART:20261224T140000Z", "DURATION:PT1H")))
    assert days(file, "2026-12-23", "2026-12-26", ZoneInfo("Australia/Lord_Howe")) == ["12-25"]
    assert days(file, "2026-12-23", "2026-12-26") == ["12-24"]


def test_a_calendar_without_events_frees_every_day(file: Path) -> None:
    file.write_text(calendar())
    assert days(file, "2026-12-20", "2026-12-27") == []


WHOLE = calendar(event("DTSTART;VALUE=DATE:20261224"), event("DTSTART;VALUE=DATE:20261231", uid="2"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not found\n",
        "<html><body>Please sign in</body></html>",
        "BEGIN:VCALENDAR\r\n",
        WHOLE + WHOLE.removesuffix("END:VCALENDAR\r\n"),
        event("DTSTART;VALUE=DATE:20261224"),
        calendar(event("DTSTART;VALUE=DATE:20261399")),
        calendar(event("DTSTART;VALUE=DATE:20261224", "RRULE:FREQ=SOMETIMES")),
        calendar(event("DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:2026122")),
        calendar(event("DTSTART;TZID=Nowhere:20261224T100000")),
        calendar(event("SUMMARY:no beginning")),
        calendar(event("DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261222")),
        calendar(event("DTSTART:20261224T100000", "DTEND:20261223T100000")),
        calendar(event("DTSTART:20261224T100000Z", "DURATION:-P1D")),
    ],
)
def test_a_file_that_is_not_understood_is_an_error_on_any_day(file: Path, text: str) -> None:
    file.write_text(text)
    for day in (date(2026, 12, 24), date(2030, 6, 1)):
        with pytest.raises(ConfigError, match=r"holidays\.ics is no calendar that can be understood"):
            has_event(file, day, ROME)


@pytest.mark.parametrize(
    "rule",
    [
        "RRULE:FREQ=SECONDLY",
        "RRULE:INTERVAL=1;FREQ=MINU\r\n TELY",
        "rrule:freq=hourly",
        "RRULE;X-BY=me:FREQ=DAILY;BYHOUR=1,2;BYSECOND=1,2,3",
    ],
)
def test_an_event_that_comes_a_hundred_million_times_is_refused_before_it_is_counted(file: Path, rule: str) -> None:
    file.write_text(calendar(event("DTSTART:20200101T000000", rule)))
    with pytest.raises(ConfigError, match="comes more than once in an hour or a day"):
        has_event(file, date(2026, 12, 24), ROME)


def test_a_file_that_was_cut_anywhere_is_an_error(file: Path) -> None:
    for end in range(len(WHOLE.rstrip())):
        file.write_text(WHOLE[:end])
        with pytest.raises(ConfigError):
            has_event(file, date(2026, 12, 24), ROME)


def test_a_file_that_is_not_there_or_not_text_is_an_error(file: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        has_event(file, date(2026, 12, 24), ROME)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(
        ConfigError, match="no calendar that can be understood, export it anew: it is not text in UTF-8"
    ):
        has_event(file, date(2026, 12, 24), ROME)


def test_an_error_names_no_address(file: Path) -> None:
    file.write_text(calendar(event("DTSTART;VALUE=DATE:20261224", "anna.rossi@unimore.it")))
    with pytest.raises(ConfigError) as caught:
        has_event(file, date(2026, 12, 24), ROME)
    assert "anna.rossi" not in str(caught.value)
