"""The ledger of accounts that end, on either database."""

from collections.abc import Sequence
from datetime import date, timedelta
from email.message import EmailMessage

import pytest

from collima.core.errors import ConfigError
from collima.core.ledger import Closure, Notice
from collima.core.options import Address
from collima.core.targets import Id, Turn
from collima.state.ledger import SqlLedger
from tests.state.conftest import State

ANNA, BRUNO = Address("anna@studenti.unimore.it"), Address("bruno@studenti.unimore.it")
ENDS = date(2027, 2, 28)


def ledger(state: State, job: str = "alumni-expiry", target: str = "google") -> SqlLedger:
    return state.open().ledger(job, target)


def notice(account: str = "1", address: str = ANNA, stage: str = "30 days") -> Notice:
    return Notice(Id(account), address, f"digest-{account}", ENDS, stage)


def mails(one: Notice, *to: str) -> dict[Address, EmailMessage]:
    found = {}
    for address in to or (one.address,):
        message = EmailMessage()
        message["Message-ID"] = f"<{one.account}.{one.stage.replace(' ', '')}.{address.replace('@', '.')}>"
        message.set_content("x")
        found[Address(address)] = message
    return found


def notify(state: State, *notices: Notice) -> None:
    ledger(state).notify([(one, mails(one)) for one in notices], "mail")


def closure(state: State, account: str = "1", turn: Turn = "suspend", *, done: bool = False) -> Closure:
    return Closure(Id(account), ANNA, f"digest-{account}", state.now, turn, state.now, done)


def test_a_notice_and_its_mail_are_there_together_and_once(state: State) -> None:
    for _ in range(2):
        notify(state, notice(), notice("2", BRUNO))
        state.later(seconds=60)
    assert [one.notice for one in ledger(state).noticed()] == [notice(), notice("2", BRUNO)]
    assert len(state.open().outbox.due("mail", 10)) == 2
    assert all(one.taken is None and not one.lost for one in ledger(state).noticed())


def test_what_became_of_its_mails_is_known(state: State) -> None:
    some = [notice("1"), notice("2"), notice("3"), notice("4")]
    ledger(state).notify([(one, mails(one, ANNA, f"{one.account}@example.org")) for one in some], "mail")
    outbox = state.open().outbox
    rows = outbox.due("mail", 10)
    state.later(seconds=60)
    for row, end in zip(rows, ("sent", "failed", "failed", "failed", "failed", "unknown", "sent", "sent"), strict=True):
        if end == "sent":
            outbox.sent(row)
        elif end == "failed":
            outbox.failed(row, "550")
        else:
            outbox.unknown(row, "?")
        state.later(seconds=60)
    found = {one.notice.account: (one.taken is not None, one.lost) for one in ledger(state).noticed()}
    assert found == {"1": (True, False), "2": (False, True), "3": (False, True), "4": (True, False)}


def test_a_closure_is_begun_and_settled_by_its_account(state: State) -> None:
    book = ledger(state)
    book.begin([closure(state), closure(state, "2")])
    assert book.closures() == {Id("1"): closure(state), Id("2"): closure(state, "2")}
    book.settle(done={Id("1")}, forget={Id("2")})
    assert book.closures() == {Id("1"): closure(state, done=True)}
    state.later(seconds=60)
    book.begin([closure(state, turn="delete")])
    assert book.closures() == {Id("1"): closure(state, turn="delete")}


def test_other_jobs_and_targets_have_ledgers_of_their_own(state: State) -> None:
    notify(state, notice())
    ledger(state).begin([closure(state)])
    for other in (ledger(state, "guests-expiry"), ledger(state, target="accounts")):
        assert (list(other.noticed()), other.closures()) == ([], {})
        other.settle(done={Id("1")}, forget={Id("1")})
    assert len(ledger(state).closures()) == 1


def test_thousands_of_notices_and_closures_take_few_statements(state: State) -> None:
    many: Sequence[Notice] = [notice(str(n), f"{n}@studenti.unimore.it") for n in range(600)]
    notify(state, *many)
    ledger(state).begin([closure(state, str(n)) for n in range(600)])
    ledger(state).settle(done={Id(str(n)) for n in range(600)}, forget=())
    assert len(ledger(state).noticed()) == len(ledger(state).closures()) == 600


def test_a_person_is_told_of_both_and_is_forgotten_in_both(state: State) -> None:
    notify(state, notice())
    ledger(state).begin([closure(state, done=True)])
    journal = state.open()
    traces = journal.person(ANNA)
    assert [(one.account, one.ends, one.stage) for one in traces.notices] == [("1", "2027-02-28", "30 days")]
    assert [(one.account, one.turn) for one in traces.closures] == [("1", "suspend")]
    with pytest.raises(ConfigError, match="a mail to it waits in the outbox"):
        journal.forget(ANNA)
    (row,) = journal.outbox.due("mail", 10)
    journal.outbox.sent(row)
    assert journal.forget(ANNA) == {"closures": 1, "notices": 1}
    assert (journal.person(ANNA).notices, journal.person(ANNA).closures) == ((), ())
    assert set(ledger(state).closures()) == {Id("1")}


def test_old_notices_are_purged_and_the_ids_of_closed_accounts_are_not(state: State) -> None:
    notify(state, notice())
    ledger(state).begin([closure(state, done=True)])
    journal = state.open()
    (row,) = journal.outbox.due("mail", 10)
    journal.outbox.sent(row)
    state.now += timedelta(days=300)
    journal.purge(keep_changes=state.now - timedelta(days=400), keep_runs=state.now)
    assert [one.taken is not None for one in ledger(state).noticed()] == [True]
    state.now += timedelta(days=101)
    counts = journal.purge(keep_changes=state.now, keep_runs=state.now)  # its last day was not long ago
    assert (counts["notices"], len(ledger(state).noticed())) == (0, 1)
    state.now += timedelta(days=400)
    assert journal.purge(keep_changes=state.now - timedelta(days=400), keep_runs=state.now)["notices"] == 1
    assert (list(ledger(state).noticed()), len(ledger(state).closures())) == ([], 1)
