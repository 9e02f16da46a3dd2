from datetime import timedelta
from email.message import EmailMessage

from collima.core.quarantine import Action, Digest, ItemId, Ref
from collima.state.outbox import Letter
from collima.state.slot_rows import SlotRow
from tests.state.conftest import State
from tests.state.runs import JOB, TARGET, add, do, hold, mark, remove, run

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
GONE, OTHERS, THIRD = remove("a@unimore.it"), remove("b@unimore.it", subject="ricercatori"), remove("z@unimore.it")


def test_changes_are_forgotten_before_their_runs_and_runs_under_way_never(state: State) -> None:
    journal = state.open()
    runs = []
    for _ in range(3):
        with run(journal) as record:
            do(record, add("a@unimore.it", "b@unimore.it"))
            runs.append(record.run)
        state.later(days=100)
    with run(journal) as working:
        working.intend(add("c@unimore.it"), {})
        state.later(days=1)
        counts = state.open().purge(keep_changes=state.now - 150 * DAY, keep_runs=state.now - 250 * DAY)
        assert {table: count for table, count in counts.items() if count} == {"changes": 4, "runs": 1}
        counts = state.open().purge(keep_changes=state.now, keep_runs=state.now)
        assert {table: count for table, count in counts.items() if count} == {"changes": 2, "runs": 2}
        assert [row.id for row in journal.archive.history()] == [working.run]
        assert len(list(journal.archive.changes(working.run))) == 1


def test_ended_holds_go_and_open_or_approved_ones_stay(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        hold(record, GONE, OTHERS)
    with run(journal) as record:
        record.approve(mark(OTHERS), OTHERS, "they left", "rossi")
        hold(record, THIRD, planned=OTHERS | THIRD)
    state.later(days=500)
    assert journal.purge(keep_changes=state.now - 400 * DAY, keep_runs=state.now - 730 * DAY)["holds"] == 1
    assert [h.fingerprint for h in journal.archive.open_holds()] == [mark(THIRD)]
    kept = journal.archive.hold(mark(OTHERS))
    assert (kept.keys, kept.approvals[0].who) == (tuple(OTHERS), "rossi")
    assert journal.look(JOB, TARGET).known(mark(GONE)) is None


def test_holds_that_a_run_approved_as_a_whole_stay(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        hold(record, GONE, OTHERS)
    with run(journal) as record:
        record.approve(mark(GONE, OTHERS), GONE | OTHERS, "they left", "rossi")
        hold(record, THIRD, planned=GONE | OTHERS)
    state.later(days=500)
    assert journal.purge(keep_changes=state.now, keep_runs=state.now)["holds"] == 0
    assert journal.archive.hold(mark(GONE, OTHERS)).keys == tuple(sorted(GONE | OTHERS))


def test_slots_go_with_runs_logs_and_gone_services_before_them_and_the_newest_slot_of_a_job_stays(state: State) -> None:
    journal, begin = state.open(), state.now
    journal.services.begin("s1", config="c0", version="1")
    with run(journal) as record:
        journal.logs.put(record.run, "x", 1)
    journal.slots.claim([SlotRow(job, begin + hours * HOUR, "missed") for job in "ab" for hours in (0, 1)])
    journal.slots.claim([SlotRow("c", begin + hours * HOUR, "waiting") for hours in (0, 1)])
    state.later(days=40)
    journal.services.begin("s2", config="c0", version="1")
    ages = {"keep_changes": begin - DAY, "keep_runs": begin - DAY}
    counts = journal.purge(**ages, keep_logs=state.now - 30 * DAY)
    assert {table: count for table, count in counts.items() if count} == {"logs": 1, "services": 1}
    counts = journal.purge(keep_changes=state.now, keep_runs=state.now)
    assert counts["slots"] == 2
    assert [(row.job, row.due) for row in journal.slots.missed_untold()] == [("a", begin + HOUR), ("b", begin + HOUR)]
    assert len(journal.slots.open()) == 2
    assert [row.id for row in journal.services.open()] == ["s2"]


def test_what_an_old_mail_said_is_forgotten_before_that_it_was_sent(state: State) -> None:
    journal = state.open()
    mail = EmailMessage()
    mail["Message-ID"] = "<a@unimore.it>"
    mail.set_content("hello")
    journal.outbox.add([Letter(mail, ("posta@unimore.it",), "mail")])
    state.later(days=40)
    journal.purge(keep_changes=state.now, keep_runs=state.now - 400 * DAY)
    (planned,) = journal.outbox.due("mail", 5)
    assert "hello" in journal.outbox.message(planned)  # it waits to be sent
    journal.outbox.sent(planned)
    journal.purge(keep_changes=state.now, keep_runs=state.now - 400 * DAY)
    assert (journal.outbox.known("<a@unimore.it>"), journal.outbox.message(planned)) == (True, "")
    state.later(days=400)
    assert journal.purge(keep_changes=state.now, keep_runs=state.now)["mails"] == 1
    assert not journal.outbox.known("<a@unimore.it>")


def test_actions_go_with_changes_and_the_thousands_of_mails_of_digests_with_logs(state: State) -> None:
    journal = state.open()
    book = journal.digests("digest", "quarantine")
    for item, standing in (("i1", "done"), ("i2", "waiting")):
        made, _ = book.act(Action(0, "request", "a@unimore.it", "a@unimore.it", item, "", "spam", "doing", state.now))
        book.acted(made.id, standing)
    word, _ = book.act(Action(0, "block", "a@unimore.it", "a@unimore.it", "", "b@x.it", "", "doing", state.now))
    book.acted(word.id, "done")
    list(book.list([Digest("<1@x>", "a@unimore.it", (), "it", (Ref(ItemId("i"), "a@unimore.it", 1),))], "mail"))
    journal.outbox.dropped(journal.outbox.due("mail", 1)[0])
    state.later(days=40)
    keep = {
        "keep_changes": state.now - 400 * DAY,
        "keep_runs": state.now - 730 * DAY,
        "keep_logs": state.now - 30 * DAY,
    }
    assert {table: n for table, n in journal.purge(**keep).items() if n} == {"mails": 1}
    state.later(days=400)
    keep["keep_changes"] = state.now - 400 * DAY
    assert {table: n for table, n in journal.purge(**keep).items() if n} == {"actions": 1}
    assert [one.deed for one in book.actions()] == ["block", "request"]
