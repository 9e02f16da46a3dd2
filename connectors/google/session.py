"""A session on Google: `targets.Rosters`, where a member's Id is its account's, and `targets.Accounts`."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from collima.core.errors import SourceError
from collima.core.model import Level
from collima.core.targets import Account, Edit, Expected, Id, NameRule, Roster, Settled, Turn, Turned
from connectors.google import accounts, changes, groups, settings
from connectors.google.apis import Apis
from connectors.google.calls import Calls
from connectors.google.groups import Group, Listed
from connectors.google.people import People, folded, people
from connectors.google.trouble import LOST, Trouble, understood

_NOBODY = Expected()
_RULE = NameRule(allowed="a-z0-9._-", longest=60, reserved=())


class Session:
    """Reads the accounts once, when the first address is asked for. It keeps no mark: Google has no place for one."""

    rule = _RULE
    immediate = False  # reads are behind writes by seconds or minutes

    def __init__(self, domain: str, customer: str, calls: Calls, apis: Apis) -> None:
        self.domain, self.customer = domain, customer
        self._calls, self._apis = calls, apis
        self._expected: dict[str, Expected] = {}
        self._guests: dict[Id, str] = {}  # who has no account here, and is named by a roster -> as it is written there
        self._read: dict[str, tuple[Group, Listed]] = {}
        self._no_settings = ""  # why nobody's settings can be read

    @cached_property
    def _people(self) -> People:
        return people(self._calls, self._apis, self.customer)

    @cached_property
    def _groups(self) -> dict[str, Group]:
        return groups.groups(self._calls, self._apis, self.domain)

    # ---- reading

    def exists(self) -> bool:
        return True

    def check(self) -> str:
        """For `collima check --connect`: reads a little, and asks for each token. Raises SourceError."""
        try:
            first = self._apis.users_of.list(customer=self.customer, maxResults=1, fields="users(id)")
            self._calls.one(lambda: first, self._apis.people)
        except Trouble as trouble:
            raise SourceError(f"the accounts cannot be read: {trouble}", transient=trouble.transient) from trouble
        may, lacks = [], []
        for what, http in (
            ("read who may post", self._apis.settings),
            ("change members", self._apis.changing_members),
            ("change accounts", self._apis.changing_accounts),
        ):
            try:
                http.ready()
                may.append(what)
            except SourceError:
                lacks.append(what)
            except LOST as err:
                raise SourceError(str(understood(err)), transient=True) from err
        told = f"accounts, and {len(self._groups)} groups of {self.domain}; may {', '.join(may) or 'change nothing'}"
        return f"{told}; may not {', '.join(lacks)}" if lacks else told

    def identify(self, address: str) -> Id | None:
        ids = self._people.ids
        return ids.get(address) or ids.get(folded(address))

    def address(self, member: Id) -> str:
        account = self._people.accounts.get(member)
        return account.address if account else self._guests.get(member, member)

    def expect(self, expected: Mapping[str, Expected]) -> None:
        self._expected.update(expected)
        for one in expected.values():
            self._guests.update((Id(folded(address)), address) for address in one.named)

    def read(self, names: Collection[str]) -> Mapping[str, Roster]:
        known = self._people  # a SourceError of theirs comes before anything else
        return {name: self._roster(name, known) for name in names}

    def _roster(self, name: str, known: People) -> Roster:
        expected = self._expected.get(name, _NOBODY)
        expected = replace(expected, named=frozenset(one for one in expected.named if self._may_be(one)))
        try:
            group = self._group(name)
            if group is None:
                return Roster(missing=True, remedy=_made(f"{name}@{self.domain}"))
            if group.address != f"{name}@{self.domain}":
                return Roster(fault=f"this is another name of the group {group.address}: use that one")
            listed = groups.members(self._calls, self._apis, group, known, expected.named)
        except Trouble as trouble:
            return Roster(fault=str(trouble))
        self._read[name] = (group, listed)
        return groups.roster(listed, known, expected, self._settings(group, expected))

    def _may_be(self, address: str) -> bool:
        """Whether somebody may have this address: in our domain, only whom Google has told us of."""
        text = folded(address)
        return not text.endswith(f"@{self.domain}") or text in self._people.ids or text in self._groups

    def _group(self, name: str) -> Group | None:
        """One that the list does not show is asked for by itself: a list may be empty that should not be."""
        address = f"{name}@{self.domain}"
        return self._groups.get(address) or groups.group(self._calls, self._apis, address)

    def _settings(self, group: Group, expected: Expected) -> Sequence[tuple[Level, str, str]]:
        """What differs from the roster. Never fails it: its members are no less known."""
        if not self._no_settings:
            api, address = self._apis.settings_of, group.address
            try:
                found = self._calls.one(
                    lambda: api.get(groupUniqueId=address, fields=settings.FIELDS), self._apis.settings
                )
                return tuple(settings.differences(found, expected, address))
            except SourceError as err:
                self._no_settings = str(err)
            except Trouble as trouble:
                if trouble.status == 404:  # of this group alone
                    return _unread(str(trouble), expected)
                self._no_settings = str(trouble)
        return _unread(self._no_settings, expected)

    # ---- writing

    def apply(self, edits: Sequence[Edit]) -> Iterator[Settled]:
        if unread := [edit.roster for edit in edits if edit.roster not in self._read]:
            self.read(unread)
        possible = []
        for edit in edits:
            if edit.roster not in self._read:
                yield from _refused(edit, edit.add | edit.remove, "Google has no such group, or it cannot be read")
                continue
            apart = self._read[edit.roster][1].apart
            owners = {member for member in edit.remove if apart.get(member) == "owner"}
            if owners and len(owners) == self._read[edit.roster][1].owners:
                yield from _refused(edit, owners, "the last owner of a group stays: name another one first")
                edit = Edit(edit.roster, edit.add, edit.remove - owners)  # noqa: PLW2901
            possible.append(edit)
        if any(edit.add or edit.remove for edit in possible):
            ids = {name: group.id for name, (group, _) in self._read.items()}
            yield from changes.changes(self._calls, self._apis, possible, ids)

    # ---- accounts

    def accounts(self) -> Mapping[Id, Account]:
        return accounts.weighed(self._calls, self._apis, self._people.accounts)

    def turn(self, turns: Sequence[tuple[Id, Turn]]) -> Iterator[Turned]:
        def archived(id_: Id) -> bool:
            known = self._people.accounts.get(id_)
            return known is not None and known.state == "archived"

        yield from accounts.turned(self._calls, self._apis, self.customer, turns, archived)


def _made(address: str) -> str:
    return (
        f"make it (`gam create group {address}`, or Admin console > Directory > Groups), or take it out here; one just "
        "made is there after a minute"
    )


def _unread(why: str, expected: Expected) -> Sequence[tuple[Level, str, str]]:
    if not expected.posting and not expected.seeing:
        return ()
    return (("warning", "settings-unread", f"who may post to it cannot be read: {why}"),)


def _refused(edit: Edit, members: Collection[Id], why: str) -> Iterator[Settled]:
    yield from (Settled(edit.roster, member, why) for member in members)
