"""The accounts of a customer, and whom an address means."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from collima.core.errors import SourceError
from collima.core.targets import Account, AccountState, Id
from connectors.google.apis import Apis
from connectors.google.calls import Calls
from connectors.google.trouble import Trouble

PAGE = 500  # the most that Google gives
_FIELDS = "nextPageToken,users(id,primaryEmail,aliases,nonEditableAliases,suspended,archived)"
_ONE_MAILBOX = ("@gmail.com", "@googlemail.com")


@dataclass(frozen=True, slots=True)
class People:
    accounts: Mapping[Id, Account]
    ids: Mapping[str, Id]  # every primary address and alias, folded -> whose it is
    barred: Mapping[Id, str]  # who must be in no group, and why


def folded(address: str) -> str:
    """What Google takes for one mailbox: case never counts, and dots do not at gmail.com, which is googlemail.com."""
    text = address.lower()
    if text.endswith(_ONE_MAILBOX):
        return f"{text.rpartition('@')[0].replace('.', '')}@gmail.com"
    return text


def people(calls: Calls, apis: Apis, customer: str) -> People:
    """All of them. Raises SourceError."""
    accounts: dict[Id, Account] = {}
    ids: dict[str, Id] = {}
    barred: dict[Id, str] = {}
    users, fields = apis.users_of, _FIELDS

    def page(token: str) -> Any:
        return users.list(customer=customer, maxResults=PAGE, fields=fields, pageToken=token or None)

    try:
        for answer in calls.pages(page, apis.people):
            for user in answer.get("users", ()):
                account = _account(user)
                accounts[account.id] = account
                ids[account.address] = account.id
                for alias in account.aliases:
                    ids[alias] = account.id
                if account.state != "active":
                    barred[account.id] = account.state
    except Trouble as trouble:
        raise SourceError(f"the accounts cannot be read: {trouble}", transient=trouble.transient) from trouble
    if not accounts:
        raise SourceError(f"Google shows no account at all for the customer {customer}: nothing is believed of it")
    return People(accounts, ids, barred)


def _account(user: Mapping[str, Any]) -> Account:
    state: AccountState = "archived" if user.get("archived") else "suspended" if user.get("suspended") else "active"
    aliases = (*user.get("aliases", ()), *user.get("nonEditableAliases", ()))
    return Account(
        id=Id(user["id"]),
        address=folded(user["primaryEmail"]),
        state=state,
        aliases=frozenset(map(folded, aliases)) if aliases else frozenset(),
    )
