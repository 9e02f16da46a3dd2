"""The invented domain: its accounts, its groups and who is in them. Tests arrange it and look at it here, at once."""

import itertools
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tests.servers.google.lagged import Lagged

Clock = Callable[[], float]
"""Seconds since the epoch."""

Role = Literal["OWNER", "MANAGER", "MEMBER"]
ROLES = ("OWNER", "MANAGER", "MEMBER")

PAGE = 200
"""The most members that one page holds."""

MOST_ALIASES = 30
UNDELETE = 20 * 86400
"""Seconds for which a deleted account can be had back."""


@dataclass(frozen=True, slots=True)
class User:
    id: str
    address: str
    given: str
    family: str
    aliases: tuple[str, ...] = ()
    org_unit: str = "/"
    created: float = 0
    suspended: float | None = None  # since
    archived: float | None = None
    deleted: float | None = None
    version: int = 1
    used_mb: int = 0
    rest: Mapping[str, Any] = field(default_factory=dict)  # what the API keeps without a thought: phones, externalIds …

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.address, *self.aliases)


@dataclass(frozen=True, slots=True)
class Group:
    id: str
    address: str
    name: str
    description: str = ""
    aliases: tuple[str, ...] = ()
    created: float = 0
    version: int = 1

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.address, *self.aliases)


@dataclass(frozen=True, slots=True)
class Member:
    id: str  # of the account, the group, the customer, or of a stranger
    type: Literal["USER", "GROUP", "CUSTOMER", "EXTERNAL"] = "USER"
    role: str = "MEMBER"
    listed: str = ""  # the address that lists show; "": the account's or group's primary one, or none
    pending: bool = False
    delivery: str = "ALL_MAIL"
    version: int = 1


def canonical(address: str) -> str:
    """What Google takes for one mailbox: case never counts, and dots do not at its own gmail.com."""
    local, _, domain = address.lower().partition("@")
    if domain in {"gmail.com", "googlemail.com"}:
        return f"{local.replace('.', '')}@gmail.com"
    return f"{local}@{domain}"


class Domain:
    """One customer with a domain, or several. Everything here is the truth; the API may show it late."""

    def __init__(self, name: str, *more: str, customer: str = "C03az79cb", clock: Clock = time.time) -> None:
        self.names = (name, *more)
        self.customer = customer
        self.clock = clock
        self.lag: Callable[[], float] = lambda: 0.0  # seconds by which the API's reads are behind; the faults say
        self.users: Lagged[User] = Lagged()
        self.groups: Lagged[Group] = Lagged()
        self.members: dict[str, Lagged[Member]] = {}  # by the group's id, then by the member's
        self.settings: dict[str, dict[str, Any]] = {}  # what differs from the defaults, by the group's id
        self.deleted: dict[str, User] = {}
        self.administrators: dict[str, frozenset[str]] = {}  # an account's id -> its privileges
        self.org_units = {"/"}
        self.archive_licences: int | None = None  # None: as many as one wants
        self._ids: dict[str, str] = {}  # address -> id of an account or group
        self._strangers: dict[str, str] = {}  # canonical address -> id
        self._numbers = itertools.count(1)

    @property
    def name(self) -> str:
        return self.names[0]

    @property
    def administrator(self) -> str:
        """The account in whose name the usual service account acts."""
        return f"posta-sync@{self.name}"

    # ---- arranging

    def add_user(
        self,
        address: str,
        *,
        given: str = "Nina",
        family: str = "Rossi",
        aliases: Iterable[str] = (),
        org_unit: str = "/",
        suspended: bool = False,
        archived: bool = False,
        used_mb: int = 0,
        rest: Mapping[str, Any] | None = None,
    ) -> User:
        now = self.clock()
        user = User(
            id=str(100_000_000_000_000_000_000 + next(self._numbers) * 7_919),
            address=address.lower(),
            given=given,
            family=family,
            aliases=tuple(alias.lower() for alias in aliases),
            org_unit=org_unit,
            created=now,
            suspended=now if suspended else None,
            archived=now if archived else None,
            used_mb=used_mb,
            rest=rest or {},
        )
        self.org_units.add(org_unit)
        self._rename(None, user)
        self.users.put(user.id, user, self._now())
        return user

    def add_group(self, address: str, *, name: str = "", description: str = "", aliases: Iterable[str] = ()) -> Group:
        group = Group(
            id=f"0{next(self._numbers) + 46_656:x}kru1g",
            address=address.lower(),
            name=name or address.partition("@")[0],
            description=description,
            aliases=tuple(alias.lower() for alias in aliases),
            created=self.clock(),
        )
        self._rename(None, group)
        self.members[group.id] = Lagged()
        self.groups.put(group.id, group, self._now())
        return group

    def enrol(
        self, group: str, *who: str, role: Role = "MEMBER", listed: str = "", pending: bool = False
    ) -> list[Member]:
        """Members by address or id: accounts, groups, or strangers. `listed`: the alias that lists show them by.

        `pending`: invited. They are not listed, cannot be got, and cannot be added.
        """
        into, at = self.members[self.group(group).id], self._now()
        members = []
        for one in who:
            named = self._ids.get(one.lower(), one)
            kind: Literal["USER", "GROUP"] = "GROUP" if named in self.groups.now else "USER"
            member = Member(named, kind, role, listed, pending)
            if named not in self.users.now and named not in self.groups.now:
                member = replace(self.stranger(one), role=role, pending=pending)
            into.put(member.id, member, at)
            members.append(member)
        return members

    def enrol_everyone(self, group: str) -> Member:
        """The member that means all accounts of the customer: it has an id and no address."""
        member = Member(id=self.customer, type="CUSTOMER")
        self.keep_member(self.group(group), member)
        return member

    # ---- looking

    def user(self, key: str) -> User:
        return self.users.now[self._ids.get(key.lower(), key)]

    def group(self, key: str) -> Group:
        return self.groups.now[self._ids.get(key.lower(), key)]

    def members_of(self, group: str, *roles: Role) -> set[str]:
        """The primary addresses of who is in a group, pending ones left out; an id for whom has no address."""
        now = self.members[self.group(group).id].now.values()
        return {
            self.primary(member.id) or member.listed or member.id
            for member in now
            if not member.pending and (not roles or member.role in roles)
        }

    def primary(self, id: str) -> str:
        """The primary address of an account or group, or "" """
        owner = self.users.now.get(id) or self.groups.now.get(id)
        return owner.address if owner else ""

    def owner(self, address: str) -> str | None:
        """The id of the account or group that has an address, or alias."""
        return self._ids.get(address.lower())

    def ours(self, address: str) -> bool:
        return address.lower().rpartition("@")[2] in self.names

    def candidate(self, key: str) -> Member | None:
        """Who an address, alias or id of ours is, as a member."""
        named = self._ids.get(key.lower(), key)
        if named in self.users.now:
            return Member(named)
        return Member(named, "GROUP") if named in self.groups.now else None

    def stranger(self, address: str) -> Member:
        """Somebody outside of the customer, who has one id for all spellings of a gmail address."""
        number = self._strangers.setdefault(canonical(address), str(10**20 + 7_919 * next(self._numbers)))
        return Member(id=number, type="EXTERNAL", listed=address.lower())

    def known_stranger(self, address: str) -> str | None:
        return self._strangers.get(canonical(address))

    # ---- writing: what the API does, and tests that want a change behind the client's back

    def keep_user(self, user: User) -> None:
        self._rename(self.users.now.get(user.id), user)
        self.users.put(user.id, replace(user, version=user.version + 1), self._now())

    def keep_group(self, group: Group) -> None:
        self._rename(self.groups.now.get(group.id), group)
        self.groups.put(group.id, replace(group, version=group.version + 1), self._now())

    def keep_member(self, group: Group, member: Member) -> None:
        self.members[group.id].put(member.id, replace(member, version=member.version + 1), self._now())

    def drop_member(self, group: Group, id: str) -> None:
        self.members[group.id].put(id, None, self._now())

    def delete_user(self, key: str) -> None:
        """The account goes to the deleted ones, and out of every group; it does not come back into them."""
        user = self.user(key)
        self._rename(user, None)
        self.users.put(user.id, None, self._now())
        self.deleted[user.id] = replace(user, deleted=self.clock())
        self._forget(user.id)

    def undelete_user(self, id: str, org_unit: str) -> None:
        self.keep_user(replace(self.deleted.pop(id), deleted=None, org_unit=org_unit))

    def delete_group(self, key: str) -> None:
        group = self.group(key)
        self._rename(group, None)
        self.groups.put(group.id, None, self._now())
        self._forget(group.id)

    def _forget(self, id: str) -> None:
        for members in self.members.values():
            if id in members.now:
                members.put(id, None, self._now())

    def _rename(self, before: User | Group | None, after: User | Group | None) -> None:
        for address in before.addresses if before else ():
            self._ids.pop(address, None)
        for address in after.addresses if after else ():
            assert after is not None
            assert self._ids.get(address, after.id) == after.id, f"{address} is somebody else's"
            self._ids[address] = after.id

    def _now(self) -> float | None:
        return self.clock() if self.lag() else None

    @property
    def horizon(self) -> float:
        """Until when writes are seen by readers."""
        return self.clock() - self.lag()
