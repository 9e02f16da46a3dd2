"""What a result says, in Italian."""

from collima.app.phrases import told
from collima.app.words import translations
from collima.core.result import Result

ITALIAN = translations("it")
APART = frozenset({"largest-mailboxes", "source-failed", "not-finished"})  # names, figures, and what systems say


def untold(result: Result) -> list[str]:
    """Of its findings, those of which a part is told in English as a whole."""
    texts = (finding.text for finding in result.findings if finding.code not in APART)
    return [text for text in texts if any(told(part, ITALIAN) == part for part in text.split("; "))]
