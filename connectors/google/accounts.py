"""Accounts that are suspended, archived, deleted and had back; and how much they occupy."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from collima.core.errors import SourceError
from collima.core.targets import Account, Id, Turn, Turned
from connectors.google.apis import Apis
from connectors.google.calls import Calls, Make
from connectors.google.people import PAGE
from connectors.google.trouble import Trouble

Key: TypeAlias = tuple[Id, Turn]

_BODIES: Mapping[Turn, Mapping[str, bool]] = {
    "suspend": {"suspended": True},
    "reactivate": {"suspended": False},
    "archive": {"archived": True},
}
_USAGE = "accounts:used_quota_in_mb"
_USAGE_PAGE = 1000
_DAYS = range(3, 8)  # reports are two days late, and sometimes more
_USAGE_FIELDS = "nextPageToken,usageReports(entity(profileId),parameters(name,intValue))"


def turned(
    calls: Calls, apis: Apis, customer: str, turns: Sequence[Key], archived: Callable[[Id], bool]
) -> Iterator[Turned]:
    """One for each. Raises SourceError without a token, or when the deleted ones cannot be read. `archived`: whether
    somebody is, who needs more than to be suspended no more."""
    units = _units(calls, apis, customer) if any(turn == "undelete" for _, turn in turns) else {}
    wanted = {key: _change(apis, key, units, archived) for key in turns}
    doubtful: dict[Key, Trouble | None] = {}
    for key, outcome in calls.many(wanted, apis.changing_accounts):
        account, turn = key
        trouble = outcome if isinstance(outcome, Trouble) else None
        if turn == "undelete" and (trouble is None or trouble.status in (404, 409, 412)):
            doubtful[key] = trouble
        elif trouble is None or (turn == "delete" and trouble.status == 404 and trouble.of("userKey")):
            yield Turned(account, turn)
        else:
            yield Turned(account, turn, _why(trouble), trouble.transient)
    yield from _looked(calls, apis, doubtful)


def _change(apis: Apis, key: Key, units: Mapping[Id, str], archived: Callable[[Id], bool]) -> Make:
    account, turn = key
    users = apis.users_of
    if turn == "delete":
        return lambda: users.delete(userKey=account)
    if turn == "undelete":
        return lambda: users.undelete(userKey=account, body={"orgUnitPath": units.get(account, "/")})
    body = {**_BODIES[turn], **({"archived": False} if turn == "reactivate" and archived(account) else {})}
    return lambda: users.patch(userKey=account, body=body, fields="id")


def _looked(calls: Calls, apis: Apis, doubtful: Mapping[Key, Trouble | None]) -> Iterator[Turned]:
    """Whether accounts are back: Google may say so without doing it, to an administrator who may not."""

    def look(account: Id) -> Make:
        return lambda: apis.users_of.get(userKey=account, fields="id,deletionTime")

    for key, outcome in calls.many({key: look(key[0]) for key in doubtful}, apis.people):
        trouble = doubtful[key]
        if not isinstance(outcome, Trouble) and not outcome.get("deletionTime"):
            yield Turned(*key)
        elif trouble is None:
            told = (
                "Google said yes and does not show it yet: look in some minutes; if it is not there, who acts may not"
            )
            yield Turned(*key, told, transient=True)
        else:
            yield Turned(*key, _why(trouble))


def _why(trouble: Trouble) -> str:
    if trouble.status == 404:
        return (
            "Google has no such account any more: it was deleted, and 20 days are over or it is there under another id"
        )
    if trouble.status == 409:
        return "somebody else has its address now"
    if trouble.status == 412:
        return f"Google does not do it ({trouble.about}): are there Archived User licences left, are 20 days over?"
    return str(trouble)


def _units(calls: Calls, apis: Apis, customer: str) -> Mapping[Id, str]:
    """Of those that were deleted in the last 20 days: where each was. Raises SourceError."""
    users, fields = apis.users_of, "nextPageToken,users(id,orgUnitPath)"

    def page(token: str) -> Any:
        return users.list(
            customer=customer, showDeleted="true", maxResults=PAGE, fields=fields, pageToken=token or None
        )

    try:
        found = [user for answer in calls.pages(page, apis.people) for user in answer.get("users", ())]
    except Trouble as trouble:
        raise SourceError(f"deleted accounts cannot be read: {trouble}", transient=trouble.transient) from trouble
    return {Id(user["id"]): user.get("orgUnitPath", "/") for user in found}


# ---- what they occupy


def weighed(calls: Calls, apis: Apis, accounts: Mapping[Id, Account]) -> Mapping[Id, Account]:
    """With `megabytes`, where the Reports API is allowed and has a report."""
    try:
        usage = _usage(calls, apis)
    except (SourceError, Trouble):  # nobody is judged by it
        return accounts
    return {id_: replace(one, megabytes=usage[id_]) if id_ in usage else one for id_, one in accounts.items()}


def _usage(calls: Calls, apis: Apis) -> Mapping[str, int]:
    """Megabytes by the id of the account, of the newest report. Raises Trouble, and SourceError without a token."""
    reports, today = apis.usage_of, datetime.now(UTC).date()
    last = Trouble(0, "none", "there is no report")
    for days in _DAYS:
        day = str(today - timedelta(days=days))

        def page(token: str, day: str = day) -> Any:
            return reports.get(
                userKey="all", date=day, parameters=_USAGE, maxResults=_USAGE_PAGE, fields=_USAGE_FIELDS,
                pageToken=token or None,
            )  # fmt: skip

        try:
            return {
                report["entity"]["profileId"]: int(report["parameters"][0]["intValue"])
                for answer in calls.pages(page, apis.usage)
                for report in answer.get("usageReports", ())
                if report.get("parameters") and "intValue" in report["parameters"][0]
            }
        except Trouble as trouble:
            if trouble.status != 400:  # not ready yet
                raise
            last = trouble
    raise last
