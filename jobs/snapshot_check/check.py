"""Reading and judging the snapshots of volumes. Findings only: nothing is planned, held or applied."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from collima.core.errors import SourceError
from collima.core.looking import Looking
from collima.core.model import Finding, Plan, Reading, Subject
from collima.core.ports import Context
from collima.core.targets import Snapshot, Snapshots
from jobs.snapshot_check.options import Options, Volume
from jobs.snapshot_check.verdict import Verdict, judge


@dataclass(frozen=True, slots=True)
class Seen:
    """By the volume's name: its snapshots, or why they could not be read."""

    answers: Mapping[str, Sequence[Snapshot] | SourceError] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Check(Looking):
    """`ports.Job` of the kind snapshot-check."""

    options: Options
    context: Context
    target: str = ""
    verbs: tuple[str, ...] = ()

    @contextmanager
    def read(self) -> Iterator[Seen]:
        """Never fails as a whole. That a system does not answer is what this job is there to tell, and it changes
        nothing that a partial answer could harm: so a SourceError is caught here, and fails its own volumes only."""
        answers: dict[str, Sequence[Snapshot] | SourceError] = {}
        for connector in dict.fromkeys(volume.in_ for volume in self.options.volumes):
            volumes = [volume for volume in self.options.volumes if volume.in_ == connector]
            try:
                with self.context.connect(connector) as session:
                    answers |= {volume.name: self._answer(session, volume) for volume in volumes}
            except SourceError as err:
                answers |= dict.fromkeys((volume.name for volume in volumes), err)
        yield Seen(answers)

    def _answer(self, session: Snapshots, volume: Volume) -> Sequence[Snapshot] | SourceError:
        try:
            return session.read(volume.volume, self.context.timezone)
        except SourceError as err:
            return err

    def plan(self, seen: Seen, now: datetime) -> Plan[None]:
        options, zone = self.options, self.context.timezone
        subjects: list[Subject] = []
        findings: list[Finding] = []
        entries: dict[str, int] = {}
        passing: set[str] = set()
        for volume in options.volumes:
            expected, answer = options.expected(volume), seen.answers[volume.name]
            if isinstance(answer, SourceError):
                told = f"cannot be read: {volume.in_}: {answer}"
                verdict = Verdict((Finding(options.levels.unreadable, volume.name, "unreadable", told),))
                size = 0
                if answer.transient:
                    passing.add(volume.name)
            else:
                verdict = judge(volume, expected, options.levels, answer, now, zone)
                size = len(answer)
                entries[volume.in_] = entries.get(volume.in_, 0) + size
            findings.extend(verdict.findings)
            subjects.append(
                Subject(
                    volume.name,
                    size=size,
                    wanted=expected.count,
                    watch=self.context.watch,
                    cells=verdict.cells,
                )
            )
        readings = tuple(Reading(connector, scope="", entries=count) for connector, count in entries.items())
        return Plan(readings, tuple(subjects), (), tuple(findings), passing=frozenset(passing))
