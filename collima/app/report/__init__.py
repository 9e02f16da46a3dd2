"""Mails in plain text and HTML, in the reader's language: of one run, short notices, the daily digest."""

from collima.app.report.compose import Letterhead, compose
from collima.app.report.notice import Notice, notify

__all__ = ["Letterhead", "Notice", "compose", "notify"]
