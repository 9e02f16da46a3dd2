"""What is kept of purges and of copies, on either database."""

from datetime import timedelta

import pytest

from collima.core.copies import CopyBook, Past
from collima.core.errors import StateError
from collima.core.quarantine import Purges
from tests.state.conftest import State
from tests.state.runs import JOB, TARGET, run


def test_what_the_last_purge_kept_is_known_by_job_and_quarantine(state: State) -> None:
    purges: Purges = state.open().purges("purge", "quarantine")
    assert purges.keep() is None
    purges.kept(5 * 86400)
    purges.kept(3 * 86400)
    assert state.open().purges("purge", "quarantine").keep() == 3 * 86400
    assert state.open().purges("purge", "another").keep() is None


def test_the_runs_of_a_copy_are_known_with_what_they_left(state: State) -> None:
    journal = state.open()
    book: CopyBook = journal.copies(JOB, TARGET)
    begin = state.now
    with run(journal):
        book.count("", mailboxes=20, messages=1_000, size=2**40)
    state.later(days=7)
    with journal.begin(JOB, TARGET, slot=None, kind="run", config="") as record:
        record.end("failed", {}, transient=False, cause="no sentinel")
    with run(journal, "another", "elsewhere"):
        assert book.past(begin) == [
            Past(begin, "changed", 20, 1_000, 2**40),
            Past(begin + timedelta(days=7), "failed"),
        ]
    assert len(book.past(begin + timedelta(days=1))) == 1


def test_only_a_run_that_is_under_way_leaves_a_count(state: State) -> None:
    with run(state.open()) as record:
        pass
    book = state.open().copies(JOB, TARGET)
    with pytest.raises(StateError, match="no run of it is under way"):
        book.count("", mailboxes=1, messages=1, size=1)
    book.count(record.run, mailboxes=1, messages=1, size=1)
    assert book.past(state.now)[0].mailboxes == 1
