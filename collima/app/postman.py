"""Takes mail from the outbox to the relays, in batches, each mail once.

What one mail is refused for is that mail's: it is put off, or fails. What a relay is unreachable for (no connection, no
login, no connector of that name) is the relay's: all its mail waits, and one of it knocks again after a while. What a
job cannot write now waits with the rest of that job's mail, and other mail goes.
"""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage

from collima.app.config import Config
from collima.app.pens import Orphaned
from collima.app.sessions import connector
from collima.app.writers import OnTheWire, Writers
from collima.core.errors import CollimaError, ConfigError, StateError, Undelivered
from collima.core.ports import Clock
from collima.core.targets import Mail
from collima.state import SqlJournal
from collima.state.outbox import Planned
from collima.state.relays import Relay

log = logging.getLogger("collima.mail")

BACK_OFF = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15))  # and so on
PATIENCE = timedelta(days=5)  # RFC 5321 4.5.4.1
TURN = timedelta(minutes=1)  # so long one connector is served before the next one's turn
ROWS = 10  # that are looked up at once: what is more urgent and was added meanwhile waits for no more
MANY = 200  # where no rate spaces them: they are marked at once, which waits for the disk
KNOCKS = 48  # times that it was tried in vain, too, before it is too late: a clock set days ahead is no proof
STUBBORN = 5  # mails refused in a row, and not for their addresses: then it is the relay
MARKED = timedelta(minutes=1)  # so long several mails are `sending` at once: far less than another one's patience
STEP = 0.5  # seconds of sleep between two looks at `stop`
SOON = 30.0  # seconds that `drain` waits for the next mail
STORING = 5.0  # seconds between two tries to store that a mail was sent

Written = Callable[[], EmailMessage]


def never() -> bool:
    """For those whom nobody stops."""
    return False


def deliver(
    config: Config,
    journal: SqlJournal,
    *,
    clock: Clock,
    stop: Callable[[], bool] = never,
    sleep: Callable[[float], None] = time.sleep,
    bulk: bool = True,
) -> datetime | None:
    """Sends what may go now, through each connector for a while at most; alerts before other mail.

    Returns when to come again: at once when there is more; None: nothing waits. `bulk` False: alerts only. Raises
    StateError.
    """
    moments = [
        _Turn(config, journal, via, clock, stop, sleep, bulk).take() for via in journal.outbox.vias() if not stop()
    ]
    return min((moment for moment in moments if moment is not None), default=None)


def drain(
    config: Config,
    journal: SqlJournal,
    *,
    clock: Clock,
    stop: Callable[[], bool] = never,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Sends, however long a relay's rate makes it, until nothing is left that could go within half a minute.

    Where no service is, a run that somebody starts sends its own mail so. Raises StateError.
    """
    while (again := deliver(config, journal, clock=clock, stop=stop, sleep=sleep)) is not None and not stop():
        if (left := (again - clock()).total_seconds()) > SOON:
            return
        sleep(max(0.0, left))


def back_off(times: int) -> timedelta:
    """How long to wait after so many refusals."""
    return BACK_OFF[min(times, len(BACK_OFF)) - 1]


@dataclass
class _Turn:
    """One connector's turn."""

    config: Config
    journal: SqlJournal
    via: str
    clock: Clock
    stop: Callable[[], bool]
    sleep: Callable[[float], None]
    bulk: bool
    refused: int = 0  # mails in a row
    faults: int = 0  # mails in a row that could not be written
    waiting: set[str] = field(default_factory=set)  # jobs that cannot write now
    marked: dict[int, Planned] = field(default_factory=dict)  # `sending`, and not handed over yet
    since: datetime | None = None  # they are so

    def take(self) -> datetime | None:
        """Returns when to come again; None: nothing waits here."""
        relay = self.journal.relays.take(self.via)
        if relay is None:
            return self.clock() + BACK_OFF[0]
        try:
            now = self.clock()
            if relay.not_before > now:  # however the clock was set meanwhile, it is no longer than this
                return min(relay.not_before, now + BACK_OFF[-1])
            return self._serve(relay)
        finally:
            with suppress(StateError):
                self.journal.relays.release(self.via)

    def _serve(self, relay: Relay) -> datetime | None:
        try:
            with connector(self.config, self.via) as session, Writers(self.config, self.journal) as writers:
                try:
                    return self._all(session, writers, relay)
                finally:
                    if self.marked:
                        with suppress(StateError):  # else they are in doubt, and sent again all the same
                            self.journal.outbox.back(tuple(self.marked.values()))
        except (ConfigError, Undelivered) as err:
            return self._shut(relay, err)
        except CollimaError:
            raise
        except Exception as err:  # a fault of this program: other connectors' mail goes all the same
            log.exception("mail through %s", self.via)
            return self._shut(relay, CollimaError(_fault(err)))

    def _all(self, session: Mail, writers: Writers, relay: Relay) -> datetime | None:
        """Raises Undelivered and ConfigError when the relay cannot be used at all."""
        spacing, over = timedelta(seconds=session.spacing), self.clock() + TURN
        free = relay.next  # when the rate lets the next one go
        while rows := self.journal.outbox.due(self.via, ROWS if spacing else MANY, bulk=self.bulk):
            self.waiting.clear()
            with self.journal.outbox.ending() as sent:
                for at, row in enumerate(rows):
                    if row.unwritten and row.job in self.waiting:
                        continue
                    free, over = min(free, self.clock() + spacing), min(over, self.clock() + TURN)
                    if free > over or not self._wait(free, spacing):
                        return free
                    then = () if spacing else rows[at + 1 :]
                    message = self._written(writers, row, then)
                    if message is None:
                        continue
                    if self._send(session, row, message, then, sent):
                        free = self.clock() + spacing
                    if relay.since:
                        log.warning("mail goes through %s again", self.via)
                        self.journal.relays.works(self.via)
                        relay = Relay(self.via, relay.next, 0, relay.not_before, None, "")
            if self.clock() >= over:
                return self.clock()
        return self.journal.outbox.next(self.via)

    def _written(self, writers: Writers, row: Planned, then: Sequence[Planned]) -> Written | None:
        """What gives the mail; None: it is not to be sent now, which is stored."""
        outbox = self.journal.outbox
        if not row.unwritten:
            return lambda: OnTheWire(outbox.message(row).encode("ascii"))
        try:
            message = writers.write(row, then)
        except StateError:
            raise
        except Orphaned as err:
            self.waiting.add(row.job)
            log.error("mail of %s failed, %d in all: %s", row.job, outbox.orphaned(self.via, row.job, str(err)), err)  # noqa: TRY400 - nobody needs to see where
            return None
        except CollimaError as err:
            self._shelve(row, err)
            return None
        except RuntimeError as err:  # a fault of this program: other mail goes all the same
            log.warning("mail %d of %s cannot be written: %s", row.id, row.job, _fault(err))
            self.faults += 1
            if self.faults >= STUBBORN:
                self._shelve(row, CollimaError(_fault(err)))
            else:
                until = self.clock() + back_off(row.attempts + 1)
                outbox.put_off(row, until, _fault(err), left=row.to, again=row.again)
                self.marked.pop(row.id, None)
            return None
        self.faults = 0
        if message is None:
            log.info("mail %d of %s: nothing is left to tell", row.id, row.job)
            self._stored(lambda: outbox.dropped(row))
            self.marked.pop(row.id, None)
            return None
        written = message
        return lambda: written

    def _shelve(self, row: Planned, err: CollimaError) -> None:
        """The whole job's mail waits. What has waited for too long fails with it."""
        now, outbox = self.clock(), self.journal.outbox
        until = now + back_off(row.attempts + 1)
        log.warning("mail of %s through %s waits until %s: %s", row.job, self.via, f"{until:%H:%M:%S} UTC", err)
        self.waiting.add(row.job)
        outbox.shelve(self.via, row.job, now, until, str(err))
        if given_up := outbox.orphaned(self.via, row.job, str(err), before=now - PATIENCE, tries=KNOCKS):
            log.error("%d mails of %s could not be written for %d days", given_up, row.job, PATIENCE.days)

    def _mark(self, row: Planned, then: Sequence[Planned], spacing: float) -> None:
        """The mail is `sending`; those after it, too, if of none of them a repeat is one that could be spared."""
        now = self.clock()
        if row.id in self.marked and self.since is not None and now - self.since < MARKED:
            return
        along = [one for one in then if one.again == "always" and one.job not in self.waiting]
        if row.again != "always" or spacing:
            along = []
        if not self.journal.relays.handing_over(row, spacing, along):
            raise StateError(f"another process sends through {self.via} now", transient=True)
        self.marked.update((one.id, one) for one in along)
        self.since = now

    def _send(
        self, session: Mail, row: Planned, written: Written, then: Sequence[Planned], sent: Callable[[Planned], None]
    ) -> bool:
        """Returns whether the relay has it. Raises Undelivered and ConfigError when that cannot be used at all."""
        outbox = self.journal.outbox
        handed = False

        def handing_over() -> None:
            nonlocal handed
            self._mark(row, then, session.spacing)
            self.marked.pop(row.id, None)
            handed = True

        try:
            try:
                session.send(written(), row.to, handing_over)
            except CollimaError:
                raise
            except Exception as err:  # a fault of this program: other mail goes all the same
                log.exception("mail %d", row.id)
                raise Undelivered(_fault(err), transient=True, doubt=handed) from err
        except Undelivered as err:
            if err.unreachable:
                if handed:  # and not taken, so that it is in no doubt
                    why, left = str(err), err.left or row.to
                    self._stored(lambda: outbox.put_off(row, self.clock(), why, left=left, again=row.again))
                raise
            self._stored(self._refused(row, err))
            self.marked.pop(row.id, None)
            self.refused += not err.addressee
            if self.refused >= STUBBORN:
                raise
            return False
        self._stored(lambda: sent(row))
        self.refused = 0
        log.info("mail %d%s: sent through %s", row.id, f" of {row.job}" if row.job else "", self.via)
        return True

    def _refused(self, row: Planned, err: Undelivered) -> Callable[[], None]:
        """What is to be stored of a mail that was not sent."""
        outbox, now = self.journal.outbox, self.clock()
        left = err.left or row.to
        late = now - row.created > PATIENCE and row.attempts + 1 >= KNOCKS
        once_more = err.doubt and (row.again == "once" or (row.again == "always" and not late))
        again = "never" if once_more and row.again == "once" else row.again
        last = not once_more and (err.doubt or late or not err.transient)
        until = now + (BACK_OFF[0] if once_more and again == "never" else back_off(row.attempts + 1))
        does = "is not sent again" if last else f"is sent again after {until:%H:%M:%S} UTC"
        log.warning("mail %d%s: %s: it %s", row.id, f" of {row.job}" if row.job else "", err, does)
        if last:
            store = outbox.unknown if err.doubt else outbox.failed
            return lambda: store(row, str(err))
        return lambda: outbox.put_off(row, until, str(err), left=left, again=again)

    def _shut(self, relay: Relay, err: CollimaError) -> datetime:
        """The relay cannot be used. What has waited for too long fails with it."""
        now = self.clock()
        until = now + back_off(relay.refusals + 1)
        log.warning("mail through %s waits until %s: %s", self.via, f"{until:%H:%M:%S} UTC", err)
        self.journal.relays.refused(relay, until, str(err))
        late = relay.refusals + 1 >= KNOCKS
        if late and (given_up := self.journal.outbox.expire(self.via, now - PATIENCE, str(err))):
            log.error("%d mails through %s could not be sent for %d days", given_up, self.via, PATIENCE.days)
        return until

    def _wait(self, until: datetime, most: timedelta) -> bool:
        """However the clock is set meanwhile, for no longer than `most`. False: told to stop."""
        while not self.stop() and (left := min(until - self.clock(), most).total_seconds()) > 0:
            self.sleep(min(left, STEP))
            until = min(until, self.clock() + most)
        return not self.stop()

    def _stored(self, store: Callable[[], None]) -> None:
        """What became of a mail is stored, however long the state is away: else it would be in doubt."""
        while True:
            try:
                return store()
            except StateError as err:
                if self.stop():
                    raise
                log.warning("what became of a mail cannot be stored yet: %s", err)
                self.sleep(STORING)


def _fault(err: Exception) -> str:
    """Its text may be about somebody."""
    name = str(err) if type(err) is RuntimeError else type(err).__name__  # of whoever writes: `Pens`
    return f"a fault of this program: {name}; the log has the rest"
