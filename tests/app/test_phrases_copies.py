"""Why a copy, or a restore, did not go well is told in the reader's language; what runs of copies tell is looked at
where they are tested (`tests/jobs/italian.py`)."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collima.app.phrases import told
from collima.core.copies import Past
from collima.core.errors import SourceError
from collima.core.quantities import Amount
from collima.core.stores import Box, Inventory, Room
from connectors.rsync.here import Here
from jobs.mailbox_copy import belts
from tests.jobs.italian import ITALIAN

HALF = Amount(5000, percent=True)
STORE = Inventory({str(n): Box(source=0, copy=100, entries=100) for n in range(9)}, gone=frozenset("12345678"))
AT = datetime(2026, 11, 21, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    "look",
    [
        lambda: belts.whole(STORE, (), Amount(1, percent=False), HALF, 3),
        lambda: belts.whole(STORE, "12345678", Amount(1, percent=False), HALF, 3),
        lambda: belts.there(Inventory({}, bare=True), [Past(AT, "changed", 3, 30, 300)]),
        lambda: belts.fits(Inventory({}, blocks=2, files=1), Room(10**6, 10**6, -1), generation=False),
        lambda: belts.fits(Inventory({}, files=100), Room(4096, 10**9, 9), generation=False),
        lambda: Here(Path("/nowhere")).room(),
    ],
)
def test_why_nothing_was_copied_is_told_in_italian(look: Callable[[], None]) -> None:
    with pytest.raises(SourceError) as caught:
        look()
    text = str(caught.value)
    italian = told(f"cannot be read: store: {text}", ITALIAN)
    assert italian.startswith("non si può leggere: store: ")
    assert text not in italian
    assert not {"the", "is", "are", "and"} & set(italian.split())


@pytest.mark.parametrize(
    "text",
    [
        "/srv/mail/: there is no .mailstore: the mail store is not mounted here, or nobody has put this file into it",
        "/backup/: it cannot be written (mounted read-only?)",
        "/srv/mail/: there is no mailbox */Maildir with a message in it",
        "no room is left where the copies are",
        "no room is left where the copies are: what came so far is kept for the next run",
        "the mail store went away while it was copied: the copy is not finished",
        "the copy cannot begin: Permission denied",
        "the generation could not be finished: No space left on device",
        "3 of 4 are in the mailbox already, and are not put there again",
        "1 of 4 are damaged in the copy, and are not put back: one is empty",
        "1 of 4 are damaged in the copy, and are not put back: one has 3 bytes of 40",
        "1 of 4 are damaged in the copy, and are not put back: one begins with zeros",
        "2 of 4 are not there when read again by IMAP",
        "2 of 4 came back with other flags, or another date, than in the copy",
        "the owner gets no mail about it: User doesn't exist",
        "nothing is taken out of a mailbox again: its owner deletes what is not wanted",
    ],
)
def test_other_causes_are_told_in_italian(text: str) -> None:
    assert not {"the", "is", "are", "and"} & set(told(text, ITALIAN).split())
    assert told(text, ITALIAN) != text
