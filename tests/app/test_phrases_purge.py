"""What a purge says is told in the reader's language."""

from datetime import timedelta
from pathlib import Path

from collima.app.phrases import told
from tests.app.test_phrases import ITALIAN
from tests.jobs.test_quarantine_purge import Held


def test_what_a_purge_says_is_told_in_italian(tmp_path: Path) -> None:
    held = Held(tmp_path)
    held.hold(3, days=6)
    held.hold(30, days=3)
    held.quarantine.orphans = 2
    first = held.run()
    held.now += timedelta(days=1)
    texts = [
        held.run(keep=2).subjects[0].reason,
        *(finding.text for finding in (*first.findings, *held.undo(first.run).findings)),
        "5 messages from before 2026-11-19 00:30 UTC are still there",
    ]
    for part in "; ".join(texts).split("; "):
        assert told(part, ITALIAN) != part, part
    assert len(texts) == 4
