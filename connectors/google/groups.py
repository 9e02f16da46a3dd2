"""Groups as rosters: who is in one by what Google says, checked against how many it says they are.

Plain members with an account are the roster's. Owners, managers, nested groups, the whole customer and strangers are
left alone, but for those whom a roster names itself.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from collima.core.errors import SourceError
from collima.core.model import Level
from collima.core.targets import Expected, Id, Roster
from connectors.google.apis import Apis
from connectors.google.calls import Calls
from connectors.google.people import People, folded
from connectors.google.trouble import Trouble

PAGE = 200  # the most that Google gives, of groups and of members
_GROUP = "id,email,directMembersCount"
_MEMBERS = "nextPageToken,members(id,email,role,type)"
_ROLES = {"OWNER": "owner", "MANAGER": "manager"}


@dataclass(frozen=True, slots=True)
class Group:
    id: str
    address: str
    count: int  # of its direct members, as Google counts them


@dataclass(frozen=True, slots=True)
class Listed:
    """What one reading of a group's members shows."""

    members: frozenset[Id]
    apart: Mapping[Id, str]  # owners and managers
    others: Mapping[str, int]  # who else is left alone, by sort
    size: int  # all of them

    @property
    def owners(self) -> int:
        return sum(role == "owner" for role in self.apart.values())


def groups(calls: Calls, apis: Apis, domain: str) -> dict[str, Group]:
    """Those of the domain, by address. Raises SourceError."""
    listed, fields = apis.groups_of, f"nextPageToken,groups({_GROUP})"

    def page(token: str) -> Any:
        return listed.list(domain=domain, maxResults=PAGE, fields=fields, pageToken=token or None)

    try:
        found = [_group(one) for answer in calls.pages(page, apis.groups) for one in answer.get("groups", ())]
    except Trouble as trouble:
        raise SourceError(f"the groups cannot be read: {trouble}", transient=trouble.transient) from trouble
    return {group.address: group for group in found}


def group(calls: Calls, apis: Apis, key: str) -> Group | None:
    """One group, as it is now; None: there is none. Raises Trouble."""
    try:
        return _group(calls.one(lambda: apis.groups_of.get(groupKey=key, fields=_GROUP), apis.groups))
    except Trouble as trouble:
        if trouble.status == 404:
            return None
        raise


def _group(answer: Mapping[str, Any]) -> Group:
    return Group(answer["id"], answer["email"].lower(), int(answer["directMembersCount"]))


def members(calls: Calls, apis: Apis, of: Group, people: People, named: Iterable[str]) -> Listed:
    """Who is in. A listing that is cut, or is not as long as it should be, is read again, once. Raises Trouble."""
    guests = frozenset(map(folded, named))
    try:
        found = _listed(calls, apis, of, people, guests)
    except Trouble as trouble:
        if trouble.status != 400:  # a page's token that is good no more
            raise
        found = _listed(calls, apis, of, people, guests)
    if found.size == of.count:
        return found
    now = group(calls, apis, of.id)
    found = _listed(calls, apis, of, people, guests)
    if now is None or found.size != now.count:
        count = now.count if now else 0
        raise Trouble(200, "count", f"it lists {found.size} members, and counts {count}: one of them is not true")
    return found


def _listed(calls: Calls, apis: Apis, of: Group, people: People, guests: frozenset[str]) -> Listed:
    listed, accounts = apis.members_of, people.accounts
    plain: set[Id] = set()
    apart: dict[Id, str] = {}
    seen: set[str] = set()
    others: Counter[str] = Counter()

    def page(token: str) -> Any:
        return listed.list(groupKey=of.id, maxResults=PAGE, fields=_MEMBERS, pageToken=token or None)

    for answer in calls.pages(page, apis.groups):
        for member in answer.get("members", ()):
            id_: str = member["id"]
            if id_ in seen:
                continue
            seen.add(id_)
            if member["type"] == "USER" and id_ in accounts:
                known = accounts[Id(id_)].id  # the same object: there are many
                if role := _ROLES.get(member["role"]):
                    apart[known] = role
                else:
                    plain.add(known)
            elif (address := folded(member.get("email", ""))) in guests:
                plain.add(Id(address))
            else:
                others[_sort(member)] += 1
    return Listed(frozenset(plain), apart, others, len(seen))


def _sort(member: Mapping[str, str]) -> str:
    match member["type"]:
        case "USER" | "EXTERNAL":
            return "stranger"
        case "GROUP":
            return "group"
        case "CUSTOMER":
            return "everyone"
        case _:
            return "other"


def roster(listed: Listed, people: People, expected: Expected, findings: Iterable[tuple[Level, str, str]]) -> Roster:
    told = list(findings)
    if listed.others:
        sorts = (f"{count} {_LEFT_ALONE[sort]}" for sort, count in sorted(listed.others.items()))
        told.append(("info", "left-alone", "; ".join(sorts)))
    return Roster(
        members=listed.members,
        barred=people.barred,
        apart=listed.apart,
        guests={one: Id(folded(one)) for one in expected.named if folded(one) not in people.ids},
        findings=tuple(told),
    )


_LEFT_ALONE = {
    "stranger": "members from outside are left alone",
    "group": "groups in it are left alone",
    "everyone": "members that mean everybody with an account are left alone",
    "other": "members of a kind that is not known are left alone",
}
