"""What is to be said of one volume. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from collima.core.model import Cell, Finding, Mood
from collima.core.targets import Snapshot
from collima.core.text import few, line
from jobs.snapshot_check.options import Expected, Levels, Volume
from jobs.snapshot_check.slots import DAY, Slot, apart, reach, slots

SKEW = timedelta(minutes=5)
"""By which another system's clock may be ahead of ours."""

BOXES = 32  # so many of the last slots are drawn
_LABELS = 5  # so many missing ones are named


@dataclass(frozen=True, slots=True)
class Verdict:
    findings: tuple[Finding, ...] = ()
    cells: tuple[Cell, ...] = ()


def judge(
    volume: Volume, expected: Expected, levels: Levels, found: Sequence[Snapshot], now: datetime, zone: tzinfo
) -> Verdict:
    """`found`: all that its connector knows of it, in any order."""
    findings: list[Finding] = []

    def tell(code: str, text: str) -> None:
        findings.append(Finding(getattr(levels, code.replace("-", "_")), volume.name, code, text))

    names = sorted({snapshot.volume for snapshot in found})
    if len(names) > 1:
        some, more = few(names, 3)
        told = f"{some}, …" if more else some
        tell("two-volumes", f"snapshots of {len(names)} volumes, where one was meant ({told}): say which with `volume`")
        return Verdict(tuple(findings))
    taken = sorted((snapshot.taken for snapshot in found), reverse=True)
    past = [moment for moment in taken if moment <= now + SKEW]
    form = "%Y-%m-%d" if expected.every.seconds >= DAY else "%Y-%m-%d %H:%M"
    if ahead := len(taken) - len(past):
        last = f"{taken[0].astimezone(zone):%Y-%m-%d %H:%M}"
        tell("in-the-future", f"{ahead} of {len(taken)} are of a time that has not come, the last of {last}")
    if not past:
        if not ahead:
            tell("no-snapshots", f"there is no snapshot of {line(volume.volume or volume.name, 60)} at all")
        return Verdict(tuple(findings), _lost(now.astimezone(zone), expected, form))

    every, keep = expected.every.seconds, expected.keep.seconds
    age, _ = apart(now, past[0], zone)
    late = 0
    if age > expected.newest.seconds:
        late = max(1, int(age // every))
        newest = f"{past[0].astimezone(zone):%Y-%m-%d %H:%M}"
        limit = expected.newest.seconds // 3600
        tell("too-old", f"the newest is of {newest}: {int(age // 3600)} hours old (limit {limit})")

    row = slots(past, expected.every, zone, expected.count)
    missing = [f"{slot.at:{form}}" for slot in row if not slot.found]
    if missing:
        some, more = few(missing, _LABELS)
        told = f"{len(missing)} of the last {expected.count} missing: {some}{', …' if more else ''}"
        if len(missing) > expected.missing:
            tell("many-missing", told)
        else:
            tell("some-missing", told)

    # One more would not be kept any longer: then there is nothing wrong with having no more.
    if len(row) < expected.count and reach(now, past[-1], expected.every, zone) < keep:
        there = sum(slot.found for slot in row)
        tell("too-few", f"{there} of {expected.count} are there, the oldest of {past[-1].astimezone(zone):{form}}")

    # A system that keeps a number of them, and not so many days, reaches further back when it has missed some; and one
    # that takes none any more has no reason to drop any.
    longest = keep + max(every, DAY) + len(missing) * every
    if not late and (old := sum(apart(now, moment, zone)[0] > longest for moment in past)):
        tell("not-pruned", f"{old} should not be kept any longer, the oldest of {past[-1].astimezone(zone):{form}}")

    return Verdict(tuple(findings), _cells(row, late, expected, findings, form))


def _cells(
    row: Sequence[Slot], late: int, expected: Expected, findings: Sequence[Finding], form: str
) -> tuple[Cell, ...]:
    """As many as there should be, the last ones of them: those that are late first found missing, then the slots."""
    critical = {finding.code for finding in findings if finding.level == "critical"}
    gap: Mood = "critical" if critical & {"many-missing", "some-missing"} else "warning"
    step = timedelta(seconds=expected.every.seconds)
    most = min(expected.count, BOXES)
    cells = [Cell(f"{row[0].at + n * step:{form}}", "critical") for n in range(min(late, most), 0, -1)]
    cells += [Cell(f"{slot.at:{form}}", "good" if slot.found else gap) for slot in row]
    if any(finding.code == "too-few" for finding in findings):
        cells += [
            Cell(f"{row[-1].at - n * step:{form}}", "warning") for n in range(1, most - min(len(cells), most) + 1)
        ]
    return tuple(reversed(cells[:most]))


def _lost(now: datetime, expected: Expected, form: str) -> tuple[Cell, ...]:
    """Nothing is there."""
    step = timedelta(seconds=expected.every.seconds)
    most = min(expected.count, BOXES)
    return tuple(Cell(f"{now - n * step:{form}}", "critical") for n in reversed(range(most)))
