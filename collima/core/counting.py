"""Findings that are a count and a sentence."""

from collections.abc import Iterator, Mapping, Sequence

from collima.core.model import Finding, Level

Sentences = Sequence[tuple[Level, str, str]]
"""(level, code, what so many of them are), in the order in which a report tells them."""


def counted(sentences: Sentences, subject: str, counts: Mapping[str, int]) -> Iterator[Finding]:
    """`counts`: by code. Of what there is none nothing is told."""
    for level, code, told in sentences:
        if count := counts.get(code, 0):
            yield Finding(level, subject, code, f"{count} {told}")
