"""Groups: groups.* and groups.aliases.* of the Directory API.

https://developers.google.com/workspace/admin/directory/v1/guides/manage-groups
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tests.servers.google import errors
from tests.servers.google.call import Call, Handler, Resource, clauses, drawn, tag
from tests.servers.google.fields import Selection
from tests.servers.google.store import Group
from tests.servers.google.users import customer, matches


def etag(group: Group) -> str:
    return tag(f"{group.id} {group.version}")


PAINTERS: Mapping[str, Callable[[Group], object]] = {
    "kind": lambda _: "admin#directory#group",
    "id": lambda group: group.id,
    "etag": etag,
    "email": lambda group: group.address,
    "name": lambda group: group.name,
    "description": lambda group: group.description,
    "adminCreated": lambda _: True,
    "aliases": lambda group: list(group.aliases) or None,
    "nonEditableAliases": lambda group: [f"{group.address}.test-google-a.com"],
}


def resource(call: Call, group: Group, wanted: Selection) -> Resource:
    answer = drawn(PAINTERS, group, wanted)
    if wanted is None or "directMembersCount" in wanted:
        seen = call.domain.members[group.id].seen(call.domain.horizon).values()
        count = sum(not member.pending for member in seen) + call.faults.wrong_counts.get(group.address, 0)
        answer["directMembersCount"] = str(count)
    return answer


def found(call: Call, *, seen: bool = True, key: str = "groupKey") -> Group:
    """The group that groupKey names: by its address, an alias, or its id. One just made may not be there yet."""
    name = call.given[key]
    groups = call.domain.groups
    group = (groups.seen(call.domain.horizon) if seen else groups.now).get(call.domain.owner(name) or name)
    if group is None and "@" in name and not call.domain.ours(name):
        raise errors.forbidden()
    if group is None or _unborn(call, group):
        raise errors.not_found("groupKey")
    return group


def _unborn(call: Call, group: Group) -> bool:
    return call.domain.clock() - group.created < call.faults.birth


def listed(call: Call) -> Resource:
    call.need("GROUPS_RETRIEVE")
    if "userKey" not in call.given or "customer" in call.given:
        customer(call)
    return call.listing("admin#directory#groups", "groups", lambda: _selected(call), lambda g, w: resource(call, g, w))


TESTS: Mapping[str, Callable[[Group, str, bool], bool]] = {
    "email": lambda group, value, within: any(matches(address, value, within) for address in group.addresses),
    "name": lambda group, value, within: matches(group.name, value, within),
}


def _selected(call: Call) -> Sequence[Group]:
    if call.faults.no_groups:
        return []
    horizon = call.domain.horizon
    groups = [group for group in call.domain.groups.seen(horizon).values() if not _unborn(call, group)]
    if domain := call.given.get("domain"):
        groups = [group for group in groups if group.address.endswith("@" + domain.lower())]
    if key := call.given.get("userKey"):
        groups = _with(call, groups, key)
    for name, operator, value in clauses(call.given.get("query", "")):
        if name == "memberKey" and operator == "=":
            groups = _with(call, groups, value)
        elif name in TESTS:
            groups = [group for group in groups if TESTS[name](group, value, operator == ":")]
        else:
            raise errors.invalid("query")
    return sorted(groups, key=lambda group: group.address, reverse=call.given.get("sortOrder") == "DESCENDING")


def _with(call: Call, groups: Sequence[Group], key: str) -> list[Group]:
    """The groups that a member is in itself."""
    wanted = call.domain.owner(key) or call.domain.known_stranger(key) or key
    if call.domain.ours(key) and not call.domain.owner(key):
        raise errors.not_found("userKey")
    return [group for group in groups if wanted in call.domain.members[group.id].seen(call.domain.horizon)]


def got(call: Call) -> Resource:
    call.need("GROUPS_RETRIEVE")
    return resource(call, found(call), call.wanted)


def _free(call: Call, address: str, owner: str = "") -> str:
    if not call.domain.ours(address):
        raise errors.Refused(404, "notFound", "Domain not found.")
    if call.domain.owner(address) not in {None, owner}:
        raise errors.exists()
    return address.lower()


def inserted(call: Call) -> Resource:
    call.need("GROUPS_CREATE")
    if not call.body.get("email"):
        raise errors.missing("email")
    address = _free(call, call.body["email"])
    name, description = call.body.get("name") or "", call.body.get("description") or ""
    group = call.domain.add_group(address, name=name, description=description)
    return resource(call, call.domain.group(group.id), call.wanted)


def changed(call: Call) -> Resource:
    """patch, and update."""
    call.need("GROUPS_UPDATE")
    group = found(call, seen=False)
    if (address := call.body.get("email")) and address.lower() != group.address:
        address = _free(call, address, group.id)
        before = tuple(alias for alias in group.addresses if alias != address)  # the old one becomes an alias
        group = replace(group, address=address, aliases=before)
    for name in ("name", "description"):
        if call.body.get(name) is not None:
            group = replace(group, **{name: call.body[name]})
    call.domain.keep_group(group)
    return resource(call, call.domain.group(group.id), call.wanted)


def deleted(call: Call) -> None:
    call.need("GROUPS_DELETE")
    call.domain.delete_group(found(call, seen=False).id)


# ---- aliases


def _alias(group: Group, alias: str) -> Resource:
    kind = "admin#directory#alias"
    return {"kind": kind, "id": group.id, "etag": etag(group), "primaryEmail": group.address, "alias": alias}


def aliases(call: Call) -> Resource:
    call.need("GROUPS_RETRIEVE")
    group = found(call)
    answer: Resource = {"kind": "admin#directory#aliases", "etag": etag(group)}
    if group.aliases:
        answer["aliases"] = [_alias(group, alias) for alias in sorted(group.aliases)]
    return call.only(answer)


def alias_inserted(call: Call) -> Resource:
    call.need("GROUPS_UPDATE")
    group = found(call, seen=False)
    if not call.body.get("alias"):
        raise errors.missing("alias")
    alias = _free(call, call.body["alias"])
    call.domain.keep_group(replace(group, aliases=(*group.aliases, alias)))
    return call.only(_alias(call.domain.group(group.id), alias))


def alias_deleted(call: Call) -> None:
    call.need("GROUPS_UPDATE")
    group, alias = found(call, seen=False), call.given["alias"].lower()
    if alias not in group.aliases:
        raise errors.not_found("alias")
    call.domain.keep_group(replace(group, aliases=tuple(one for one in group.aliases if one != alias)))


HANDLERS: Mapping[str, Handler] = {
    "directory.groups.list": listed,
    "directory.groups.get": got,
    "directory.groups.insert": inserted,
    "directory.groups.patch": changed,
    "directory.groups.update": changed,
    "directory.groups.delete": deleted,
    "directory.groups.aliases.list": aliases,
    "directory.groups.aliases.insert": alias_inserted,
    "directory.groups.aliases.delete": alias_deleted,
}
