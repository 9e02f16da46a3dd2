"""Accounts: users.* and users.aliases.* of the Directory API.

https://developers.google.com/workspace/admin/directory/v1/guides/manage-users and …/manage-user-aliases
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tests.servers.google import errors
from tests.servers.google.call import Call, Handler, Resource, clauses, drawn, tag
from tests.servers.google.discovery import document
from tests.servers.google.fields import Selection, pruned
from tests.servers.google.store import MOST_ALIASES, UNDELETE, User


def moment(seconds: float | None) -> str | None:
    """As Google writes times: 2026-11-24T10:00:00.000Z."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def etag(user: User) -> str:
    return tag(f"{user.id} {user.version} {user.deleted}")


PAINTERS: Mapping[str, Callable[[User], object]] = {
    "kind": lambda _: "admin#directory#user",
    "id": lambda user: user.id,
    "etag": etag,
    "primaryEmail": lambda user: user.address,
    "name": lambda user: {
        "givenName": user.given,
        "familyName": user.family,
        "fullName": f"{user.given} {user.family}",
    },
    "lastLoginTime": lambda _: "1970-01-01T00:00:00.000Z",
    "creationTime": lambda user: moment(user.created),
    "deletionTime": lambda user: moment(user.deleted),
    "agreedToTerms": lambda _: True,
    "suspended": lambda user: user.suspended is not None,
    "suspensionReason": lambda user: None if user.suspended is None else "ADMIN",
    "suspensionTime": lambda user: moment(user.suspended),
    "archived": lambda user: user.archived is not None,
    "archivalTime": lambda user: moment(user.archived),
    "changePasswordAtNextLogin": lambda _: False,
    "ipWhitelisted": lambda _: False,
    "emails": lambda user: [
        {"address": address} | ({"primary": True} if address == user.address else {}) for address in user.addresses
    ],
    "aliases": lambda user: list(user.aliases) or None,
    "nonEditableAliases": lambda user: [f"{user.address}.test-google-a.com"],
    "orgUnitPath": lambda user: user.org_unit,
    "isMailboxSetup": lambda _: True,
    "isEnrolledIn2Sv": lambda _: False,
    "isEnforcedIn2Sv": lambda _: False,
    "includeInGlobalAddressList": lambda _: True,
}
KEPT = frozenset(
    name
    for name, described in document("admin", "directory_v1")["schemas"]["User"]["properties"].items()
    if not described.get("readOnly") and name not in {*PAINTERS, "password", "hashFunction"}
)
"""Properties that are kept as they are given: phones, externalIds, recoveryEmail …"""


def resource(call: Call, user: User, wanted: Selection) -> Resource:
    answer = drawn(PAINTERS, user, wanted)
    privileges = call.domain.administrators.get(user.id, frozenset())
    super_ = "SUPER" in privileges
    more: dict[str, Any] = {"isAdmin": super_, "isDelegatedAdmin": bool(privileges) and not super_}
    more |= {"customerId": call.domain.customer, **user.rest}
    if wanted is None:
        return {**answer, **more}
    return answer | {name: pruned(value, wanted[name]) for name, value in more.items() if name in wanted}


def found(call: Call, *, seen: bool = True) -> User:
    """The account that userKey names: by its address, an alias, or its id. Readers may see an older one."""
    key = call.given["userKey"]
    users = call.domain.users
    user = (users.seen(call.domain.horizon) if seen else users.now).get(call.domain.owner(key) or key)
    if user is None:
        if "@" in key and not call.domain.ours(key):
            raise errors.forbidden()
        raise errors.not_found("userKey")
    return user


def customer(call: Call) -> None:
    """Checks whose users or groups are asked for."""
    of, domain = call.given.get("customer"), call.given.get("domain")
    if of is None and domain is None:
        raise errors.Refused(400, "badRequest", "Bad Request")
    if of is not None and of not in {"my_customer", call.domain.customer}:
        raise errors.Refused(400, "invalid", "Invalid Customer Id")
    if domain is not None and domain.lower() not in call.domain.names:
        raise errors.Refused(404, "notFound", "Domain not found.")


TESTS: Mapping[str, Callable[[User, str, bool], bool]] = {
    # the third argument is whether the operator was `:`
    "orgUnitPath": lambda user, path, _: f"{user.org_unit}/".startswith(path.rstrip("/") + "/"),
    "isSuspended": lambda user, value, _: (user.suspended is not None) == (value == "true"),
    "isArchived": lambda user, value, _: (user.archived is not None) == (value == "true"),
    "email": lambda user, value, within: any(matches(address, value, within) for address in user.addresses),
    "givenName": lambda user, value, within: matches(user.given, value, within),
    "familyName": lambda user, value, within: matches(user.family, value, within),
    "name": lambda user, value, within: matches(f"{user.given} {user.family}", value, within),
}


def matches(text: str, value: str, within: bool) -> bool:
    """`=` is equality, `:` containment, and `:PREFIX*` a beginning; case does not count."""
    text, value = text.lower(), value.lower()
    if within and value.endswith("*"):
        return text.startswith(value[:-1])
    return value in text if within else text == value


def listed(call: Call) -> Resource:
    call.need("USERS_RETRIEVE")
    customer(call)
    return call.listing("admin#directory#users", "users", lambda: _selected(call), lambda u, w: resource(call, u, w))


def _selected(call: Call) -> Sequence[User]:
    if call.given.get("showDeleted") == "true":
        now = call.domain.clock()
        users = [user for user in call.domain.deleted.values() if now - (user.deleted or 0) < UNDELETE]
    else:
        users = list(call.domain.users.seen(call.domain.horizon).values())
    if domain := call.given.get("domain"):
        users = [user for user in users if user.address.endswith("@" + domain.lower())]
    for name, operator, value in clauses(call.given.get("query", "")):
        test = TESTS.get(name)
        if test is None:
            raise errors.invalid("query")
        users = [user for user in users if test(user, value, operator == ":")]
    keys: dict[str, Callable[[User], str]] = {
        "email": lambda user: user.address,
        "familyName": lambda user: user.family.lower(),
        "givenName": lambda user: user.given.lower(),
    }
    if order := call.given.get("orderBy"):
        users.sort(key=keys[order], reverse=call.given.get("sortOrder") == "DESCENDING")
    return users


def got(call: Call) -> Resource:
    call.need("USERS_RETRIEVE")
    return resource(call, found(call), call.wanted)


def inserted(call: Call) -> Resource:
    call.need("USERS_CREATE")
    body = call.body
    for name in ("primaryEmail", "name", "password"):
        if not body.get(name):
            raise errors.missing(name)
    for name in ("givenName", "familyName"):
        if not body["name"].get(name):
            raise errors.missing(f"name.{name}")
    if not 8 <= len(body["password"]) <= 100:
        raise errors.Refused(400, "invalid", "Invalid Password")
    address = _free(call, body["primaryEmail"], "")
    unit = _unit(call, body.get("orgUnitPath") or "/")
    user = call.domain.add_user(
        address, given=body["name"]["givenName"], family=body["name"]["familyName"], org_unit=unit
    )
    return _kept(call, user)


def _free(call: Call, address: str, owner: str) -> str:
    """An address of the domain that nobody but `owner` has."""
    if not call.domain.ours(address):
        raise errors.Refused(404, "notFound", "Domain not found.")
    if call.domain.owner(address) not in {None, owner}:
        raise errors.exists()
    return address.lower()


def _unit(call: Call, path: str) -> str:
    if path not in call.domain.org_units:
        raise errors.invalid("INVALID_OU_ID")
    return path


NEEDS = {"suspended": "USERS_SUSPEND", "orgUnitPath": "USERS_MOVE", "primaryEmail": "USERS_RENAME"}
"""The privilege that changing a property takes, if not USERS_UPDATE."""


def changed(call: Call) -> Resource:
    """patch, and update: both leave alone what is not named."""
    call.need(*{NEEDS.get(name, "USERS_UPDATE") for name in call.body})
    return _kept(call, _changeable(call))


def _changeable(call: Call) -> User:
    """The account, unless it is above who calls: only a super administrator may change one."""
    user = found(call, seen=False)
    if "SUPER" in call.domain.administrators.get(user.id, ()):
        call.need("SUPER")
    return user


def _kept(call: Call, user: User) -> Resource:
    """The account with what the body says of it. Properties that are only read are ignored, as at Google."""
    body, now = call.body, call.domain.clock()
    if (address := body.get("primaryEmail")) and address.lower() != user.address:
        address = _free(call, address, user.id)
        before = tuple(alias for alias in user.addresses if alias != address)  # the old one becomes an alias
        user = replace(user, address=address, aliases=before)
    if name := body.get("name"):
        given, family = name.get("givenName", user.given), name.get("familyName", user.family)
        user = replace(user, given=given, family=family)
    if body.get("orgUnitPath"):
        user = replace(user, org_unit=_unit(call, body["orgUnitPath"]))
    if body.get("suspended") is not None:
        user = replace(user, suspended=(user.suspended or now) if body["suspended"] else None)
    if body.get("archived") is not None:
        if body["archived"] and user.archived is None:
            _licensed(call)
        user = replace(user, archived=(user.archived or now) if body["archived"] else None)
    rest = {**user.rest, **{name: value for name, value in body.items() if name in KEPT}}
    rest = {name: value for name, value in rest.items() if value}  # null clears
    user = replace(user, rest=rest)
    call.domain.keep_user(user)
    return resource(call, call.domain.user(user.id), call.wanted)


def _licensed(call: Call) -> None:
    """Archived User licences are bought by the piece."""
    licences = call.domain.archive_licences
    if licences is not None and sum(user.archived is not None for user in call.domain.users.now.values()) >= licences:
        message = "Insufficient archived user licenses"
        raise errors.Refused(412, "insufficientArchivedUserLicenses", message)


def deleted(call: Call) -> None:
    call.need("USERS_DELETE")
    call.domain.delete_user(_changeable(call).id)


def undeleted(call: Call) -> None:
    """By the id alone, for 20 days, and only while nobody else has the address."""
    if call.faults.undelete_ignored and not call.token.may("SUPER"):
        return
    call.need("USERS_CREATE")
    user = call.domain.deleted.get(call.given["userKey"])
    if user is None:
        raise errors.not_found("userKey")
    if call.domain.clock() - (user.deleted or 0) >= UNDELETE:
        raise errors.precondition("The user can not be undeleted: the undelete window is over.")
    if any(call.domain.owner(address) for address in user.addresses):
        raise errors.exists()
    call.domain.undelete_user(user.id, _unit(call, call.body.get("orgUnitPath") or "/"))


# ---- aliases


def _alias(user: User, alias: str) -> Resource:
    kind = "admin#directory#alias"
    return {"kind": kind, "id": user.id, "etag": etag(user), "primaryEmail": user.address, "alias": alias}


def aliases(call: Call) -> Resource:
    call.need("USERS_RETRIEVE")
    user = found(call)
    answer: Resource = {"kind": "admin#directory#aliases", "etag": etag(user)}
    if user.aliases:
        answer["aliases"] = [_alias(user, alias) for alias in sorted(user.aliases)]
    return call.only(answer)


def alias_inserted(call: Call) -> Resource:
    call.need("USERS_ALIAS")
    user = found(call, seen=False)
    if not call.body.get("alias"):
        raise errors.missing("alias")
    alias = _free(call, call.body["alias"], "")
    if len(user.aliases) >= MOST_ALIASES:
        raise errors.Refused(412, "limitExceeded", f"The maximum number of aliases per user is {MOST_ALIASES}.")
    call.domain.keep_user(replace(user, aliases=(*user.aliases, alias)))
    return call.only(_alias(call.domain.user(user.id), alias))


def alias_deleted(call: Call) -> None:
    call.need("USERS_ALIAS")
    user, alias = found(call, seen=False), call.given["alias"].lower()
    if alias not in user.aliases:
        raise errors.not_found("alias")
    call.domain.keep_user(replace(user, aliases=tuple(one for one in user.aliases if one != alias)))


HANDLERS: Mapping[str, Handler] = {
    "directory.users.list": listed,
    "directory.users.get": got,
    "directory.users.insert": inserted,
    "directory.users.patch": changed,
    "directory.users.update": changed,
    "directory.users.delete": deleted,
    "directory.users.undelete": undeleted,
    "directory.users.aliases.list": aliases,
    "directory.users.aliases.insert": alias_inserted,
    "directory.users.aliases.delete": alias_deleted,
}
