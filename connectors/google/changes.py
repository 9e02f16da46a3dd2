"""Members in and out of groups. Doing it twice does no harm, and Google's second answer is read as what it means."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from collima.core.targets import Edit, Id, Settled
from connectors.google.apis import Apis
from connectors.google.calls import Calls, Make
from connectors.google.trouble import Trouble

Verb: TypeAlias = Literal["add", "remove"]
Key: TypeAlias = tuple[str, Id, Verb]
"""(roster, member, verb)."""


def changes(calls: Calls, apis: Apis, edits: Sequence[Edit], groups: Mapping[str, str]) -> Iterator[Settled]:
    """One Settled for each. `groups`: the id of each roster's group. Raises SourceError without a token."""
    wanted = {
        (edit.roster, member, verb): _change(apis, groups[edit.roster], member, verb)
        for edit in edits
        for verb, members in _sides(edit)
        for member in sorted(members)
    }
    doubtful: dict[Key, Trouble] = {}
    for key, outcome in calls.many(wanted, apis.changing_members):
        roster, member, verb = key
        if not isinstance(outcome, Trouble) or (verb == "remove" and _gone(outcome)):
            yield Settled(roster, member)
        elif verb == "add" and outcome.status in (409, 412):
            doubtful[key] = outcome
        else:
            yield Settled(roster, member, _why(outcome), outcome.transient)
    yield from _looked(calls, apis, doubtful, groups)


def _sides(edit: Edit) -> tuple[tuple[Verb, frozenset[Id]], ...]:
    return ("add", edit.add), ("remove", edit.remove)


def _change(apis: Apis, group: str, member: Id, verb: Verb) -> Make:
    members = apis.members_of
    if verb == "remove":
        return lambda: members.delete(groupKey=group, memberKey=member)
    body = {"role": "MEMBER", "email" if "@" in member else "id": member}
    return lambda: members.insert(groupKey=group, body=body, fields="id")


def _gone(trouble: Trouble) -> bool:
    """Of an address that no account has it says that memberKey is missing, in place of not found."""
    return trouble.of("memberKey") and (trouble.status == 404 or trouble.reason == "required")


def _looked(calls: Calls, apis: Apis, doubtful: Mapping[Key, Trouble], groups: Mapping[str, str]) -> Iterator[Settled]:
    """Whether somebody is in a group by now whom Google did not take."""

    def look(key: Key) -> Make:
        roster, member, _ = key
        return lambda: apis.members_of.get(groupKey=groups[roster], memberKey=member, fields="id")

    outcome: Any
    for key, outcome in calls.many({key: look(key) for key in doubtful}, apis.groups):
        roster, member, _ = key
        trouble = doubtful[key]
        if not isinstance(outcome, Trouble):
            yield Settled(roster, member)
        elif trouble.status == 409:
            told = "Google has it as a member already and does not show it: added just now, or invited and not come yet"
            yield Settled(roster, member, told, transient="@" not in member)
        else:
            yield Settled(roster, member, _why(trouble))


def _why(trouble: Trouble) -> str:
    if trouble.status == 404 and trouble.of("memberKey"):
        return "Google has no such account any more"
    if trouble.status == 404 and trouble.of("groupKey"):
        return "Google does not know its group now: was it made just now, or deleted?"
    if trouble.status == 412:
        return "Google does not take it into this group: does the group allow people from outside?"
    return str(trouble)
