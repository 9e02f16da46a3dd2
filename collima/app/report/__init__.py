"""The report of one run: a mail in plain text and HTML, in the reader's language."""

from collima.app.report.compose import Letterhead, compose

__all__ = ["Letterhead", "compose"]
