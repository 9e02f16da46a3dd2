"""What a result comes to, in a sentence, in the reader's language. Catalogs are in `locale/`; English needs none.

A run's state, levels, verdicts and codes are the contract's words and stay as they are in every language, so that mail
filters and runbooks hold. Findings and reasons, which the jobs and the guard write, are told by `phrases`.
"""

import gettext
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path

from collima.app import phrases
from collima.app.phrases import N_
from collima.app.summary import Totals, speaking, totals
from collima.core.result import Result
from collima.core.text import discreet, line

LANGUAGES = ("en", "it")
_LOCALE = Path(__file__).parent / "locale"


@cache
def translations(language: str) -> gettext.NullTranslations:
    """The catalog of one of LANGUAGES. Raises OSError (FileNotFoundError) for another one."""
    if language == "en":
        return gettext.NullTranslations()
    return gettext.translation("collima", _LOCALE, [language])


def plural(one: str, many: str) -> tuple[str, str]:
    """Marks a pair of texts for the catalogs."""
    return one, many


_THINGS = {
    "add": plural("%d addition", "%d additions"),
    "remove": plural("%d removal", "%d removals"),
    "notify": plural("%d notice", "%d notices"),
    "reactivate": plural("%d reactivation", "%d reactivations"),
    "suspend": plural("%d suspension", "%d suspensions"),
    "archive": plural("%d account to archive", "%d accounts to archive"),
    "delete": plural("%d deletion", "%d deletions"),
    "send": plural("%d digest", "%d digests"),
    "purge": plural("%d message to purge", "%d messages to purge"),
    "copy": plural("%d copy", "%d copies"),
    "drop-mailbox": plural("%d mailbox to drop", "%d mailboxes to drop"),
}
_DONE = {
    "add": plural("%d added", "%d added"),
    "remove": plural("%d removed", "%d removed"),
    "notify": plural("%d notified", "%d notified"),
    "reactivate": plural("%d reactivated", "%d reactivated"),
    "suspend": plural("%d suspended", "%d suspended"),
    "archive": plural("%d archived", "%d archived"),
    "delete": plural("%d deleted", "%d deleted"),
    "send": plural("%d sent", "%d sent"),
    "purge": plural("%d purged", "%d purged"),
    "copy": plural("%d copied", "%d copied"),
    "drop-mailbox": plural("%d mailbox dropped", "%d mailboxes dropped"),
}
_WORDS = frozenset(
    {
        *(N_("failed"), N_("partial"), N_("held"), N_("changed"), N_("in-sync"), N_("planned"), N_("watch")),
        *(N_("read"), N_("plan"), N_("apply")),
    }
)


class Words:
    """Counts and sentences in one language."""

    def __init__(self, language: str = "en") -> None:
        self.catalog = translations(language)

    def phrase(self, text: str) -> str:
        """A sentence of the guard or of a job."""
        return phrases.told(text, self.catalog)

    def word(self, word: str) -> str:
        """A subject's state or mode, in a row of a table; a phase of a run."""
        return self.catalog.gettext(word) if word in _WORDS else word

    def things(self, verb: str, count: int) -> str:
        """`12 removals`."""
        return self._count(_THINGS, verb, count)

    def done(self, verb: str, count: int) -> str:
        """`12 removed`."""
        return self._count(_DONE, verb, count)

    def _count(self, table: Mapping[str, tuple[str, str]], verb: str, count: int) -> str:
        return self.catalog.ngettext(*table[verb], count) % count if verb in table else f"{count} × {verb}"

    def span(self, length: timedelta) -> str:
        """`3 days 2 hours`: its two largest units, from minutes on."""
        ngettext = self.catalog.ngettext
        minutes = max(0, round(length.total_seconds() / 60))
        days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
        told = [
            ngettext("%d day", "%d days", days) % days if days else "",
            ngettext("%d hour", "%d hours", hours) % hours if hours else "",
            ngettext("%d minute", "%d minutes", minutes) % minutes if minutes and not days else "",
        ]
        return " ".join(filter(None, told)) or ngettext("%d minute", "%d minutes", 1) % 1

    def subjects(self, result: Result, count: int) -> str:
        """`4 lists`; what nothing is ever done to is a volume, or the copies, and all else is called a subject."""
        ngettext = self.catalog.ngettext
        if not result.verbs and [s.name for s in result.subjects] != ["copies"]:
            return ngettext("%d volume", "%d volumes", count) % count
        if result.verbs == ("add", "remove"):
            return ngettext("%d list", "%d lists", count) % count
        return ngettext("%d subject", "%d subjects", count) % count

    def all_things(self, counts: Mapping[str, int]) -> str:
        """`12 additions, 3 removals`; verbs with nothing are left out."""
        return ", ".join(self.things(verb, n) for verb, n in counts.items() if n)

    def all_done(self, counts: Mapping[str, int]) -> str:
        """`12 added, 3 removed`."""
        return ", ".join(self.done(verb, n) for verb, n in counts.items() if n)

    def of(self, held: Mapping[str, int], planned: Mapping[str, int]) -> str:
        """`412 of 431 removals`, verb by verb."""
        gettext = self.catalog.gettext
        return ", ".join(
            gettext("%(part)d of %(things)s") % {"part": n, "things": self.things(verb, planned[verb])}
            for verb, n in held.items()
            if n
        )

    def cause(self, result: Result) -> str:
        """Why a run is what it is, short enough for a subject line. One line, without addresses."""
        gettext = self.catalog.gettext
        sums = totals(result)
        match result.state:
            case "held":
                return self.of(sums.held, sums.planned)
            case "changed":
                return self._where(result, self.all_done(sums.applied), sums.touched)
            case "planned":
                return self._where(result, self.all_things(sums.planned), sums.concerned)
            case "in-sync":
                return gettext("nothing to do") if result.verbs else gettext("all is well")
            case "partial":
                return ": ".join(filter(None, [self.failed(result), self._said(result)]))
            case "busy":
                return self._said(result) or gettext("another run has it")
            case "missed":
                return self._said(result) or gettext("it did not run in its time")
        return self._said(result) or self.failed(result)

    def _said(self, result: Result) -> str:
        return discreet(line(self.phrase(result.cause)))

    def failed(self, result: Result) -> str:
        """`2 of 240 lists failed`."""
        subjects = speaking(result)
        bad = sum(s.state in ("failed", "partial") for s in subjects)
        if not bad:
            return ""
        return self.catalog.gettext("%(part)d of %(things)s failed") % {
            "part": bad,
            "things": self.subjects(result, len(subjects)),
        }

    def verdict(self, result: Result) -> str:
        """The sentence that a report begins with: what came of it, then what was done all the same."""
        gettext = self.catalog.gettext
        sums = totals(result)
        first = self.cause(result)
        if result.state == "held":
            first = gettext("%s waiting for approval") % first
        elif result.state == "in-sync":
            told = gettext("%s: nothing to do") if result.verbs else gettext("%s: all is well")
            first = told % self.subjects(result, len(speaking(result)))
        return " ".join(_sentence(part) for part in [first, *self._also(result, sums)] if part)

    def _also(self, result: Result, sums: Totals) -> list[str]:
        gettext = self.catalog.gettext
        also = []
        if result.state in ("failed", "partial", "held"):
            if applied := self.all_done(sums.applied):
                also.append(gettext("Done: %s") % applied)
            elif result.run and result.verbs:
                also.append(gettext("Nothing was changed"))
            if result.state != "held" and (held := self.of(sums.held, sums.planned)):
                also.append(gettext("%s waiting for approval") % held)
        if sums.waiting:
            also.append(gettext("Put off by grace or freeze: %s") % self.things("remove", sums.waiting))
        return also

    def _where(self, result: Result, what: str, count: int) -> str:
        if len(speaking(result)) < 2:
            return what
        return self.catalog.gettext("%(what)s in %(where)s") % {
            "what": what,
            "where": self.subjects(result, count),
        }


def _sentence(text: str) -> str:
    return text if text.endswith(("?", "!")) else f"{text.rstrip('.')}."
