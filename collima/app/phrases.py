"""The sentences of the guard and of jobs in the reader's language.

They are written in English where they arise, far below any catalog, and are on record so. Here each is known by its
form, and told anew; what is not known by its form (the words of servers and systems) stays as it is.
"""

import gettext
import re
from collections.abc import Iterator, Sequence
from functools import cache


def N_(form: str) -> str:  # noqa: N802  # by this name gettext's tools know a text to be translated elsewhere
    """Marks a text for the catalogs."""
    return form


_FORMS = (  # the more exact first
    N_("%(count)s of %(size)s would go (%(share)s, limit %(limit)s)"),
    N_("%(count)s of %(size)s would come (%(share)s, limit %(limit)s)"),
    N_("the filters find nobody, %(size)s are there"),
    N_("first fill with %(count)s of %(size)s people (%(share)s, limit %(limit)s)"),
    N_("fewer than %(runs)s complete runs on record, %(count)s removals (limit %(limit)s)"),
    N_("%(count)s of %(size)s in the whole run (%(share)s, limit %(limit)s)"),
    N_("undone by %(run)s"),
    N_("%(count)s entries, usually %(usual)s (%(share)s fewer, limit %(limit)s)"),
    N_("nobody was found at all"),
    N_("%(server)s is older than the last good run (a replica that lags)"),
    N_("%(count)s of %(size)s rosters of %(stanza)s vanished at once (%(share)s, limit %(limit)s)"),
    N_("the target is managed by another state, or this one was lost: see `collima check --accept-state`"),
    N_("the state is older than its target (restored from a backup?): see `collima check --accept-state`"),
    N_("%(count)s of %(size)s people have no account at the target"),
    N_("%(count)s of %(size)s people have no %(attribute)s"),
    N_("%(count)s of %(size)s people have a %(attribute)s that is no plain mail address"),
    N_("%(count)s of `also` had their last day (%(days)s): take them out"),
    N_("%(count)s of `except` had their last day (%(days)s): take them out"),
    N_("%(count)s of our own addresses in `also` belong to nobody in `among` any more"),
    N_("%(count)s addresses in `also` have no account at the target"),
    N_("%(count)s people are not added: %(reasons)s"),
    N_("%(count)s members are taken out: %(states)s"),
    N_("%(count)s people stay out: %(states)s"),
    N_("%(count)s members came by hand, and no filter finds them: kept"),
    N_("%(count)s members came by hand and belong to nobody in `among` any more: they stay for ever"),
    N_("its configuration does not name its include file: write `%(line)s` into it, in place of %(sources)s"),
    N_("its configuration does not name its include file: write `%(line)s` into it"),
    N_("it has other sources: take %(sources)s out, and leave `%(line)s` alone"),
    N_("%(count)s of its %(size)s members are not in its source any more: who changes it?"),
    N_("%(count)s lines of its include file are no addresses: who changes it?"),
    N_("it is not open (status %(status)s): open it, or take it out here"),
    N_("its source at the target is still not as it should be: can it be written?"),
    N_(
        "no stanza names it any more (since %(day)s): kept as it is. Name it again, write `renamed: %(pair)s`, or run "
        "`collima retire %(name)s`"
    ),
    N_("belongs to the job %(job)s: take it out there and run `collima retire` first"),
    N_("the target has no such roster: make it there, or take it out here"),
    N_("the target has no such roster: make it (%(line)s), or take it out here"),
    N_("the target has no such roster: rename %(old)s there, or make it: %(line)s prints the steps"),
    N_("one just made is there after a minute"),
    N_("it lists %(size)s members, and counts %(count)s: one of them is not true"),
    N_("this is another name of the group %(name)s: use that one"),
    N_("%(count)s members from outside are left alone"),
    N_("%(count)s groups in it are left alone"),
    N_("%(count)s members that mean everybody with an account are left alone"),
    N_("%(count)s members of a kind that is not known are left alone"),
    N_("`%(now)s` may post, and the roster says `%(wanted)s`: %(line)s"),
    N_("`%(now)s` may read what was posted, and the roster says `%(wanted)s`: %(line)s"),
    N_("who may post to it cannot be read: %(said)s"),
    N_("the target cannot tell who may write to it or see it: take `posting` and `seeing` out here"),
    N_("%(count)s rosters would have this name (from %(stanzas)s): neither is touched"),
    N_("what was held is no longer wanted: the hold has ended by itself"),
    N_("suspicious source: %(inner)s"),
    N_("cannot be read: %(inner)s"),
    N_("snapshots of %(count)s volumes, where one was meant (%(names)s): say which with `volume`"),
    N_("%(count)s of %(size)s are of a time that has not come, the last of %(day)s"),
    N_("there is no snapshot of %(volume)s at all"),
    N_("the newest is of %(day)s: %(count)s hours old (limit %(limit)s)"),
    N_("%(count)s of the last %(size)s missing: %(days)s"),
    N_("%(count)s of %(size)s are there, the oldest of %(day)s"),
    N_("%(count)s should not be kept any longer, the oldest of %(day)s"),
    N_("%(program)s ended with %(count)s: %(said)s"),
    N_("%(program)s ended with %(count)s"),
    N_("%(program)s printed nothing, and ended with 0"),
    N_("%(program)s did not end within %(limit)s"),
    N_("%(program)s cannot be run: %(said)s"),
    N_("%(program)s: line %(count)s is not like `pattern`: %(said)s"),
    N_("%(program)s: line %(count)s: no time of the form of `time`: %(said)s"),
    N_("no service ran when it was due, nor soon enough after it"),
    N_("no service ran when it was due, and it is never caught up"),
    N_("none of the machines that may run it took it"),
    N_("no worker was free"),
    N_("another run has the job, or its target"),
    N_("it waits for %(names)s"),
    N_("none was run since that of %(moment)s: %(inner)s"),
    N_("the schedule does not have this job any more"),
    N_("stopped after its time-limit of %(limit)s"),
    N_("stopped with the service, which takes it up again when it starts"),
    N_("killed by signal %(count)s"),
    N_("killed"),
    N_("the run before it died on %(machine)s; this one was started in its place"),
    N_("services have different schedules: %(names)s"),
    N_("a fault of this program (%(name)s): see its log"),
    N_("it could not be used for %(span)s: %(inner)s"),
    N_("%(folder)s: the folder is empty (not mounted?)"),
    N_("%(folder)s: %(count)s names, none like %(pattern)s"),
    N_("%(count)s accounts are spared: their owners came back (`unless`)"),
    N_("%(count)s accounts are spared by `except`"),
    N_("%(count)s accounts are left alone: their entries do not say whose they are"),
    N_("%(count)s accounts are left alone: their owners have no date"),
    N_("%(count)s accounts are left alone: their owners have a date that cannot be read, or from before 1980"),
    N_("%(count)s accounts are left alone: their owners have a date that has not come"),
    N_("%(count)s accounts are left alone: several people of the directory have their address"),
    N_("%(count)s closed accounts are left alone: they were another person's when a run closed them"),
    N_("%(count)s accounts that a run had closed were opened by hand: left alone until `except` names them"),
    N_("%(count)s accounts that have ended were closed by somebody else: left alone"),
    N_("%(count)s accounts that a run had closed belong to nobody who can be told any more: kept as they are"),
    N_("%(count)s accounts have ended, and have had no notice yet that is old enough"),
    N_("%(count)s accounts have ended, and no notice is known to have reached them: suspend them by hand"),
    N_("%(count)s lines of `except` had their last day: take them out"),
    N_("%(count)s addresses in `except` have no account at the target"),
    N_("%(count)s people of `who` have no account at the target"),
    N_("%(count)s notices cannot be taken back"),
    N_("%(count)s accounts are no longer as that run left them: not undone"),
    N_("%(count)s of %(size)s would be suspended (%(share)s, limit %(limit)s)"),
    N_("%(count)s of %(size)s would be archived (%(share)s, limit %(limit)s)"),
    N_("%(count)s of %(size)s would be deleted (%(share)s, limit %(limit)s)"),
    N_("nobody in `who` has a %(attribute)s that can be true"),
    N_("nobody in `unless` has a %(attribute)s: nobody can tell who came back"),
    N_("the newest %(attribute)s in `who` is of %(day)s, more than a year ago: is this machine's clock right?"),
    N_("%(count)s notices and closures on record are of a time that has not come: is this machine's clock right?"),
    N_("%(count)s notices and %(more)s suspensions wait for later runs (per-run %(limit)s)"),
    N_("%(count)s accounts end within 30 days, %(more)s within 90, %(most)s within 365"),
    N_("the accounts that have ended hold %(space)s GB: deleting them frees it"),
    N_("%(count)s of %(size)s changes are not there when read again: does another program write here?"),
    N_("%(count)s of %(size)s would get a digest (%(share)s, limit %(limit)s)"),
    N_("from before the first digest"),
    N_("%(count)s addresses with new messages belong to nobody in the directory"),
    N_("%(count)s addresses with new messages belong to two people or more: nobody is told"),
    N_("%(count)s people of `who` have no address of their own: they get no digest"),
    N_("%(count)s people with new messages did not ask for a digest"),
    N_(
        "%(count)s of %(size)s people are not found any more (%(share)s, limit %(limit)s): their pages and their mails "
        "that wait are kept"
    ),
    N_("the newest message that was told came in at %(day)s UTC: is the clock right, does mail come in?"),
    N_("%(count)s people with new messages want no digest"),
    N_("%(count)s messages are only counted in their digests, which have more than `most`"),
    N_("%(count)s requests to release an attachment or a virus wait for an administrator"),
    N_("%(count)s digests cannot be taken back"),
    N_("%(count)s rows belong to no message any more"),
    N_("%(count)s messages from before %(day)s UTC are still there"),
    N_("what was purged cannot be brought back"),
    N_("keep is %(span)s now, and was %(longer)s before"),
    N_(
        "nothing would be left of %(count)s messages, the newest of %(day)s UTC: is the clock right, does mail come in?"
    ),
    N_("most released since %(day)s: %(names)s"),
    N_("%(boxes)s mailboxes with %(messages)s messages, %(much)s"),
    N_("since %(day)s %(messages)s messages, %(much)s"),
    N_("%(count)s mailboxes left the store and are in the copy"),
    N_("an earlier run has left its copy in the middle: this one goes on with it"),
    N_("%(much)s in %(files)s files were sent, %(renamed)s messages were renamed or linked"),
    N_("the copy is %(name)s"),
    N_("some files went away while they were copied, as they do in a live store"),
    N_("a symbolic link is in the place of this mailbox: what it leads to is not copied"),
    N_(
        "%(count)s folders of the copy are links or files in the mail store: what was in them may not go yet, "
        "and what took their place was not copied"
    ),
    N_(
        "%(count)s messages in %(size)s mailboxes have another content, or date, under the same name, which "
        "messages never get: is the mail store damaged? In the copy they are as they were, and it is not "
        "finished"
    ),
    N_("%(count)s messages have another content, or date, under the same name, which messages never get"),
    N_("some of its files were not copied: %(said)s"),
    N_("%(inner)s since it was looked at: the copy is not finished"),
    N_(
        "%(count)s messages more went from all mailboxes since it was looked at (limit %(limit)s): is it "
        "mounted, and whole? They are kept, and the copy is not finished"
    ),
    N_("it went away while the store was copied: it is kept, and the next run looks again"),
    N_(
        "%(count)s messages are gone, more than when it was looked at, and more than go unasked: they are "
        "kept, and the next run judges"
    ),
    N_("%(count)s messages of the store are not in the copy"),
    N_("a message of the copy is not what the store has"),
    N_("%(count)s changes of a copy cannot be taken back"),
    N_(
        "the mail store has %(count)s messages and the copy has %(size)s of the same mailboxes (%(share)s "
        "fewer, limit max-removals %(limit)s): is it mounted, and whole? The copy is untouched"
    ),
    N_(
        "%(count)s of %(size)s mailboxes of the copy are gone from the mail store (%(share)s, limit "
        "max-mailboxes-gone %(limit)s): is it mounted, and whole? The copy is untouched"
    ),
    N_(
        "%(count)s of %(size)s mailboxes of the copy are gone from the mail store (%(share)s, limit "
        "max-mailboxes-gone %(limit)s)"
    ),
    N_(
        "the copies of the run of %(day)s are not where they were: is their place mounted? To begin anew "
        "there: docs/copies.md, Beginning anew"
    ),
    N_(
        "%(needed)s MB are to be copied and %(free)s MB are free where the copies are: make room, or remove "
        "the oldest generation (docs/copies.md, A full disk). The copy is untouched"
    ),
    N_(
        "%(count)s files and folders are to be made and the file system of the copies has room for %(size)s "
        "(inodes). The copy is untouched"
    ),
    N_("%(folder)s: there is no %(file)s: the mail store is not mounted here, or nobody has put this file into it"),
    N_("%(folder)s: there is no mailbox %(pattern)s with a message in it"),
    N_("%(folder)s: there is no such folder (not mounted?)"),
    N_("%(folder)s: a folder in it cannot be read: %(said)s"),
    N_("the process that looks at mailboxes has died"),
    N_("%(folder)s: it cannot be written (mounted read-only?)"),
    N_("no room is left where the copies are: what came so far is kept for the next run"),
    N_("no room is left where the copies are"),
    N_("the copy cannot begin: %(said)s"),
    N_("what came cannot be judged: %(said)s"),
    N_("the mail store went away while it was copied: the copy is not finished"),
    N_("what left the store is still in the copy: %(said)s"),
    N_("the generation could not be finished: %(said)s"),
    N_("there is no copy: no run of the copy has ended well yet"),
    N_("the copy of %(moment)s has no message at all"),
    N_("%(count)s of %(size)s messages in the copy of %(moment)s are damaged"),
    N_("%(count)s cannot be read"),
    N_("%(count)s of another size than their name says"),
    N_("%(count)s unlike the live message"),
    N_("%(count)s unlike another generation"),
    N_("in the mailboxes %(names)s"),
    N_(
        "%(count)s messages of %(size)s mailboxes in the copy of %(moment)s were read whole: %(live)s like "
        "the live message, %(generation)s like another generation, %(named)s of the size in their name, "
        "%(alone)s had nothing to be compared with"
    ),
    N_("no message was saved since %(moment)s: does each still get its copy, and are the clocks right?"),
    N_("%(count)s of %(size)s are there still"),
    N_("%(count)s more than the %(size)s that were counted are gone: does another program delete here?"),
    N_("what was taken out of the archive is gone"),
    N_("%(count)s of %(size)s are in the mailbox already, and are not put there again"),
    N_("%(count)s of %(size)s are damaged in the copy, and are not put back: one %(inner)s"),
    N_("is empty"),
    N_("begins with zeros"),
    N_("has %(count)s bytes of %(size)s"),
    N_("%(count)s of %(size)s are not there when read again by IMAP"),
    N_("%(count)s of %(size)s came back with other flags, or another date, than in the copy"),
    N_("the owner gets no mail about it: %(said)s"),
    N_("nothing is taken out of a mailbox again: its owner deletes what is not wanted"),
)
_FIGURE = N_("1,234.5")  # how figures are written
_VALUES = {
    **dict.fromkeys(("count", "size", "usual", "runs"), r"\d+"),
    **dict.fromkeys(("messages", "boxes", "files", "renamed", "needed", "free"), r"[-+]?[\d,]+"),
    "much": r"[-+]?[\d.,]+ \wB",
}
_ANY = r"[^;]+?"
_SWAPPED = str.maketrans(",.", ".,")
_VALUE = re.compile(r"%\(\w+\)s")


def _pattern(form: str) -> re.Pattern[str]:
    def value(place: re.Match[str]) -> str:
        return rf"(?P<{place[1]}>{_VALUES.get(place[1], _ANY)})"

    return re.compile(re.sub(r"%\\\((\w+)\\\)s", value, re.escape(form)))


@cache
def _patterns() -> Sequence[tuple[str, str, re.Pattern[str]]]:
    """Of each form its longest words without a value, which say at once that a text is of another form.

    Made when the first sentence is told: most runs tell none.
    """
    return [(form, max(_VALUE.split(form), key=len), _pattern(form)) for form in _FORMS]


_NAMED = re.compile(r"(?P<name>[\w.+-]+): (?P<inner>.+)")  # a connector or a subject


def told(text: str, catalog: gettext.NullTranslations) -> str:
    """`text`, or the parts that "; " joins, each in the language of the catalog if its form is known.

    The name of a connector or a subject may come before.
    """
    if (whole := _translated(text, catalog)) is not None:
        return whole
    if named := _NAMED.fullmatch(text):
        return f"{named['name']}: {told(named['inner'], catalog)}"
    return "; ".join(_parts(text, catalog))


def _parts(text: str, catalog: gettext.NullTranslations) -> Iterator[str]:
    for part in text.split("; "):
        yield part if (known := _translated(part, catalog)) is None else known


def _translated(text: str, catalog: gettext.NullTranslations) -> str | None:
    for form, words, pattern in _patterns():
        if words in text and (match := pattern.fullmatch(text)):
            values = match.groupdict()
            if "inner" in values:
                values["inner"] = told(values["inner"], catalog)
            if catalog.gettext(_FIGURE) != _FIGURE:
                values |= {name: values[name].translate(_SWAPPED) for name in values.keys() & _VALUES.keys()}
            return catalog.gettext(form) % values
    return None
