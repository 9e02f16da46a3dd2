"""`core.mailstore.Mailstore` over doveadm."""

import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from collima.core.errors import Refused, SourceError
from collima.core.folders import Parts
from collima.core.mailstore import Aged, Found, Returning
from collima.core.text import spelled
from connectors.dovecot import imap, staging
from connectors.dovecot.doveadm import Doveadm, one

EVERYWHERE = ("mailbox", "*")


@dataclass(frozen=True, slots=True)
class Session:
    doveadm: Doveadm
    staging: Path | None

    def check(self) -> str:
        """Whether Dovecot runs, and lets us ask."""
        return f"{len(list(self.doveadm.rows('who')))} users are logged in"

    def there(self, mailbox: str) -> Mapping[str, str]:
        """By the guid, and by the name of its file: a message that was copied or put back has the guid of the first.

        What a dead run still imports has come before this looks, or does not come.
        """
        staging.sweep(self.staging)
        known: dict[str, str] = {}
        for guid, name, folder in self.doveadm.rows("fetch", "-u", one(mailbox), "guid storageid mailbox", "all"):
            known[spelled(guid)] = known[spelled(name)] = folder
        return known

    def put(self, mailbox: str, messages: Sequence[Returning], into: Parts) -> Mapping[str, str]:
        """Asked again afterwards: doveadm answers 75 when it has imported, and 0 when it could not read anything."""
        if not into:
            raise Refused("nothing is put back into INBOX itself: name a folder")
        said = ""
        with staging.staged(messages, into, self._owner(mailbox), self.staging) as root:
            try:
                self.doveadm.run("import", "-u", one(mailbox), f"maildir:{root}:INDEX=MEMORY", "", "all")
            except SourceError as err:
                said = f": {err}"
        try:
            known = self.there(mailbox)
        except SourceError as err:
            raise Refused(f"whether it is there again cannot be told: {err}", transient=err.transient) from err
        back = {message.guid: known.get(spelled(message.guid)) for message in messages}
        self._subscribe(mailbox, {folder for folder in back.values() if folder})
        return {guid: "" if folder else f"is not there after doveadm import{said}" for guid, folder in back.items()}

    def _subscribe(self, mailbox: str, names: Collection[str]) -> None:
        """So that mail programs show them. What is there can be read without."""
        with suppress(SourceError):
            if names:
                self.doveadm.run("mailbox", "subscribe", "-u", one(mailbox), *sorted(names))

    def _owner(self, mailbox: str) -> tuple[int, int]:
        """As whom Dovecot reads this mailbox; we ourselves where its userdb does not tell. Raises Refused."""
        ours = {"uid": os.geteuid(), "gid": os.getegid()}
        try:
            for field in ours:
                if (told := self.doveadm.run("user", "-f", field, one(mailbox)).strip()).isdecimal():
                    ours[field] = int(told)
        except SourceError as err:
            raise Refused(str(err), transient=err.transient) from err
        return ours["uid"], ours["gid"]

    def read(self, mailbox: str, folder: Parts) -> Sequence[Found]:
        with imap.spoken(self.doveadm.command("exec", "imap", "-u", one(mailbox)), self.doveadm.timeout.seconds) as us:
            return [found for parts, name in imap.below(us, folder) for found in imap.messages(us, parts, name)]

    # ---- by age

    def aged(self, before: datetime, since: datetime) -> Sequence[Aged]:
        counts: Counter[str] = Counter()
        for mailbox, _, number in self.doveadm.rows("mailbox", "status", "-A", "messages", "*"):
            counts[mailbox] += int(number)
        old = self._users(*_old(before))
        recent = self._users("savedsince", _second(since))
        return [Aged(mailbox, counts[mailbox], old[mailbox], recent[mailbox]) for mailbox in sorted(counts)]

    def _users(self, *query: str) -> Counter[str]:
        """How many messages each user has that a query finds: a line for each comes, and none is kept."""
        return Counter(row[0] for row in self.doveadm.rows("fetch", "-A", "user", *EVERYWHERE, *query))

    def expunge(self, mailbox: str, before: datetime) -> None:
        try:
            self.doveadm.run("expunge", "-u", one(mailbox), *EVERYWHERE, *_old(before))
        except SourceError as err:
            raise Refused(str(err), transient=err.transient) from err


def _old(before: datetime) -> tuple[str, ...]:
    """Both: what was moved here lately came in long ago, and the date of a header is anybody's."""
    return ("savedbefore", _second(before), "before", _second(before))


def _second(moment: datetime) -> str:
    return str(int(moment.timestamp()))
