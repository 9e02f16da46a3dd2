"""Deciding and telling in one transaction, with others who decide at the same moment. The outbox, on both databases."""

import threading
from collections.abc import Mapping
from email.message import EmailMessage

from collima.state import SqlJournal
from collima.state.alerts import AlertRow, Decided
from collima.state.outbox import Letter
from collima.state.slot_rows import SlotRow
from collima.state.tables import outbox
from tests.state.conftest import State

TELLERS, RUNS = 4, 12


def letter(name: str, again: bool = True) -> Letter:
    message = EmailMessage()
    message["Message-ID"] = f"<{name}@unimore.it>"
    message.set_content("Good morning.\n")
    return Letter(message, ["posta@unimore.it"], "mail", "sympa-lists", again="once" if again else "never")


def names(journal: SqlJournal) -> list[str]:
    with journal.database.read() as connection:
        return [row.message_id for row in connection.execute(outbox.select().order_by(outbox.c.id))]


def failed(journal: SqlJournal, number: int) -> str:
    with journal.begin("sympa-lists", "lists", slot=number, kind="run", config="") as record:
        record.end("failed", {}, transient=False, cause="no answer")
        return record.run


def test_of_many_failures_told_at_once_by_several_services_one_is_the_first(state: State) -> None:
    journals = [state.open(f"host{number}") for number in range(TELLERS)]
    runs = [failed(journals[0], number) for number in range(RUNS)]
    settled: list[str] = []

    def tell(journal: SqlJournal, turn: int) -> None:
        for run in runs[turn:] + runs[:turn]:

            def decide(alerts: Mapping[str, AlertRow], run: str = run) -> Decided:
                known = alerts.get("failed")
                times = known.what["times"] + 1 if known else 1
                row = AlertRow("sympa-lists", "failed", state.now, state.now, run, "no answer", {"times": times})
                return Decided([row], (), () if known else [letter(run)])

            if journal.alerts.settle("sympa-lists", decide, run=run):
                settled.append(run)

    threads = [threading.Thread(target=tell, args=(journal, 3 * at)) for at, journal in enumerate(journals)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(settled) == sorted(runs)
    (alert,) = journals[0].alerts.open()
    assert (alert.what, len(names(journals[0]))) == ({"times": RUNS}, 1)
    assert journals[0].alerts.untold() == ()


def test_a_missed_slot_is_decided_about_once(state: State) -> None:
    journal, other = state.open(), state.open("there")
    journal.slots.claim([SlotRow("sympa-lists", state.now, "missed", cause="late")])
    assert journal.alerts.settle("sympa-lists", lambda _: Decided((), (), [letter("a")]), missed=state.now)
    assert not other.alerts.settle("sympa-lists", lambda _: Decided((), (), [letter("b")]), missed=state.now)
    assert names(journal) == ["<a@unimore.it>"]
    assert journal.slots.missed_untold() == ()


def test_an_alert_that_is_over_leaves_no_row(state: State) -> None:
    journal = state.open()
    row = AlertRow("sympa-lists", "failed", state.now, state.now, "r1", "no answer", {"worst": "failed"})
    journal.alerts.settle("sympa-lists", lambda _: Decided([row]))
    assert journal.alerts.open() == (row,)
    journal.alerts.settle("sympa-lists", lambda alerts: Decided((), tuple(alerts)))
    assert journal.alerts.open() == ()


def test_a_mail_planned_by_two_at_once_is_one_row_and_urgent_ones_come_first(state: State) -> None:
    journals = [state.open(f"host{number}") for number in range(3)]
    threads = [
        threading.Thread(target=journal.outbox.add, args=([letter(str(n), n % 2 == 0) for n in range(50)],))
        for journal in journals
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal = journals[0]
    assert len(names(journal)) == 50
    assert journal.outbox.vias() == ("mail",)
    assert [row.again for row in journal.outbox.due("mail", 30)] == ["once"] * 25 + ["never"] * 5
    assert journal.relays.take("mail") is not None
    assert journals[1].relays.take("mail") is None
    (first, *_) = journal.outbox.due("mail", 1)
    assert "Good morning." in journal.outbox.message(first)
    assert journal.relays.handing_over(first, 60.0)
    assert not journal.relays.handing_over(first, 60.0)
    journal.outbox.sent(first)
    assert journal.outbox.fate(names(journal)[0])[0] == "sent"
    journal.relays.release("mail")
    relay = journals[1].relays.take("mail")
    assert relay is not None
    assert (relay.next - state.now).total_seconds() == 60
    journals[1].relays.refused(relay, state.now, "no connection")
    assert journal.relays.troubled()[0].error == "no connection"
    assert journal.outbox.standing(state.now).waiting == 49


def test_an_alert_about_somebody_who_is_forgotten_names_nobody(state: State) -> None:
    journal = state.open()
    row = AlertRow("copy", "held", state.now, state.now, "", "posta@unimore.it", {"subjects": {"posta@unimore.it": 1}})
    journal.alerts.settle("copy", lambda _: Decided([row]))
    assert journal.person("posta@unimore.it").told == {"alerts.what": 1}
    assert journal.forget("posta@unimore.it") == {"alerts": 1}
    assert "posta@" not in str(journal.alerts.open())
