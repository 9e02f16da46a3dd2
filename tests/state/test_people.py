import json
import re
from datetime import timedelta

import pytest

from collima.core.errors import ConfigError
from collima.core.model import Key, Outcome, Reading
from collima.core.quarantine import Action, Digest, Holder, ItemId, Ref
from collima.state.people import NAMED, TOLD
from tests.state.conftest import State
from tests.state.runs import JOB, TARGET, add, do, hold, mark, remove, run

ANN, JOANN = "ann@unimore.it", "jo-ann@unimore.it"


def everything(state: State) -> str:
    """Every row of every table that may name people."""
    with state.open().database.read() as connection:
        tables = {table for table, _ in (*NAMED, *TOLD)}
        return "\n".join(str(tuple(row)) for table in tables for row in connection.execute(table.select()))


@pytest.fixture
def lived(state: State) -> State:
    """A state in which Ann has left traces everywhere, and nothing waits for her."""
    journal = state.open()
    with run(journal) as record:
        hold(record, remove(ANN, JOANN))
    with run(journal) as record:
        record.approve(mark(remove(ANN, JOANN)), remove(ANN, JOANN), f"{ANN.upper()} left", ANN)
        record.intend(remove(ANN, JOANN), {})
        record.settle([Outcome(min(remove(ANN))), Outcome(min(remove(JOANN)))])
        hold(record, planned=remove(ANN, JOANN))
    with journal.begin(JOB, TARGET, slot=None, kind="run", config="") as record:
        record.intend(add(ANN) | {Key(ANN, "copy", "")}, {})
        record.settle([Outcome(min(add(ANN)), f"550 <{ANN}>: unknown; see {JOANN}, {ANN}.example.org, {ANN}.")])
        record.protect("20260101T000000-0000", add(ANN, JOANN))
        record.absences(remove(ANN, JOANN))
        record.readings([Reading("people", "s", 1, doubt=f"no {ANN}")], ["suspicious"], counts=False)
        record.end("failed", {"failed": [ANN, JOANN]}, transient=False, cause=f"'{ANN}' was refused")
    return state


def test_everything_that_is_stored_about_an_address_is_told(lived: State) -> None:
    traces = lived.open().person(ANN)
    assert {(c.key.verb, c.outcome) for c in traces.changes} == {
        ("remove", "done"),
        ("add", "failed"),
        ("copy", "unknown"),
    }
    assert [(h.subject, h.ending) for h in traces.holds] == [("docenti", "approved")]
    assert [(a.who, a.keys) for a in traces.approvals] == [(ANN, 2)]
    assert [(a.key, a.since) for a in traces.absences] == [(min(remove(ANN)), lived.now.isoformat())]
    assert [u.key for u in traces.undone] == list(add(ANN))
    assert traces.told == {
        "runs.document": 1,
        "runs.cause": 1,
        "readings.doubt": 1,
        "changes.error": 1,
        "approvals.reason": 1,
    }
    assert lived.open().person("nobody@unimore.it").changes == ()


def test_a_forgotten_address_is_nowhere_and_others_stay(lived: State) -> None:
    journal = lived.open()
    before = everything(lived)
    counts = journal.forget(ANN)
    after = everything(lived)
    assert not re.search(rf"(?<![-\w]){re.escape(ANN)}(?!\.example)", after, re.IGNORECASE)
    (pseudonym,) = set(re.findall(r"forgotten-[0-9a-f]{8}\b", after))
    assert after.count(JOANN) == before.count(JOANN)
    assert f"550 <{pseudonym}>: unknown; see {JOANN}, {ANN}.example.org, {pseudonym}." in after
    assert counts == {
        "absences": 1,
        "approval_keys": 1,
        "approvals": 2,
        "changes": 4,
        "hold_keys": 1,
        "readings": 1,
        "runs": 2,
        "undone": 1,
    }
    newest = next(row for row in journal.archive.history() if row.state == "failed")
    assert json.loads(json.dumps(newest.document)) == {"failed": [pseudonym, JOANN]}
    assert journal.forget(ANN) == {}
    assert len(journal.person(pseudonym).changes) == 3


def test_a_pseudonym_is_the_same_each_time_and_another_in_another_state(
    lived: State, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lived.open().forget(ANN)
    with run(lived.open()) as record:
        do(record, add(ANN))
    lived.open().forget(ANN)
    other = State(f"sqlite:///{tmp_path_factory.mktemp('other')}/collima.db")
    with other.stack:
        with run(other.open()) as record:
            do(record, add(ANN))
        other.open().forget(ANN)
        found = [set(re.findall(r"forgotten-[0-9a-f]{8}", everything(each))) for each in (lived, other)]
    assert [len(names) for names in found] == [1, 1]
    assert found[0] != found[1]


def test_nobody_is_forgotten_while_a_hold_waits(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        hold(record, remove(ANN))
    with pytest.raises(ConfigError, match=rf"hold {mark(remove(ANN))} of {JOB} is open") as told:
        journal.forget(ANN)
    assert ANN not in str(told.value)
    with run(journal) as record:
        hold(record)
    journal.forget(ANN)


def test_nobody_is_forgotten_while_an_approved_change_is_to_be_made(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        record.approve("f00", remove(ANN), "", "rossi")
    with pytest.raises(ConfigError, match="a change approved as f00 is yet to be made"):
        journal.forget(ANN)
    state.now += timedelta(days=8)
    assert journal.forget(ANN) == {"approval_keys": 1}


def test_nobody_is_forgotten_while_a_run_is_at_work_on_them(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        record.intend(add(ANN), {})
        with pytest.raises(ConfigError, match=f"run {record.run} is changing it now"):
            state.open().forget(ANN)
    assert journal.forget(ANN) == {"changes": 1}


def test_what_digests_tell_of_somebody_is_told_and_forgotten(state: State) -> None:
    journal = state.open()
    book = journal.digests("digest", "quarantine")
    book.know([Holder(one, (one, f"alias.{one}"), "it", asked=True) for one in (ANN, JOANN)])
    at = int(state.now.timestamp())
    items = [Ref(ItemId(f"i-{one}"), one, at) for one in (ANN, JOANN)]
    made = [Digest(f"<{n}@unimore.it>", i.recipient, (i.recipient,), "it", (i,)) for n, i in enumerate(items)]
    assert len(list(book.list(made, "mail"))) == 2
    done, _ = book.act(Action(0, "release", ANN, ANN, "i1", "x@example.org", "spam", "doing", state.now))
    asked, _ = book.act(Action(0, "request", ANN, ANN, "i2", "x@example.org", "banned", "waiting", state.now))
    traces = journal.person(ANN)
    assert [(one.item, one.digest) for one in traces.held] == [(f"i-{ANN}", "<0@unimore.it>")]
    assert [(one.owner, one.addresses) for one in traces.readers] == [(ANN, (ANN, f"alias.{ANN}"))]
    assert [(one.deed, one.state) for one in traces.actions] == [("request", "waiting"), ("release", "doing")]
    assert len(journal.person("x@example.org").actions) == 2
    with pytest.raises(ConfigError, match="a request of theirs waits"):
        journal.forget(ANN)
    book.acted(asked.id, "refused")
    book.acted(done.id, "done")
    with pytest.raises(ConfigError, match="a mail to it waits"):
        journal.forget(ANN)
    for row in journal.outbox.due("mail", 10):
        journal.outbox.sent(row)
    assert journal.forget(ANN) == {"actions": 4, "digest_items": 1, "digests": 2, "holders": 1}
    assert ANN not in everything(state).replace(JOANN, "").replace(f"alias.{ANN}", "").replace(f"i-{ANN}", "")
    assert book.holder(JOANN) is not None
    assert book.digest("<1@unimore.it>") == made[1]
    assert journal.forget(ANN) == {}
