"""Who is in a group: members.* of the Directory API.

https://developers.google.com/workspace/admin/directory/v1/guides/manage-group-members
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from tests.servers.google import errors
from tests.servers.google.call import Call, Handler, Resource, tag
from tests.servers.google.fields import Selection
from tests.servers.google.groups import found as group_found
from tests.servers.google.settings import allows_strangers
from tests.servers.google.store import ROLES, Group, Member, User

DELIVERY = ("ALL_MAIL", "DAILY", "DIGEST", "DISABLED", "NONE")
TYPES = {"EXTERNAL": "USER"}
"""A stranger is a USER, too, as far as the API tells."""


def resource(
    call: Call, member: Member, wanted: Selection, *, users: Mapping[str, User], whole: bool = False
) -> Resource:
    """`whole`: with what lists leave out."""
    user = users.get(member.id)
    answer: Resource = {
        "kind": "admin#directory#member",
        "etag": tag(f"{member.id} {member.version} {user.version if user else 0}"),
        "id": member.id,
        "role": member.role,
        "type": TYPES.get(member.type, member.type),
        "status": "SUSPENDED" if user and user.suspended is not None else "ACTIVE",
    }
    if email := member.listed or (user.address if user else call.domain.primary(member.id)):
        answer["email"] = email
    if whole:
        answer["delivery_settings"] = member.delivery
    if wanted is None:
        return answer
    return {name: answer[name] for name in wanted if name in answer}


def listed(call: Call) -> Resource:
    call.need("GROUPS_RETRIEVE")
    group = group_found(call)
    roles = set(call.given.get("roles", ",".join(ROLES)).upper().replace(" ", "").split(","))
    if not roles <= set(ROLES):
        raise errors.invalid("roles")
    users = call.domain.users.seen(call.domain.horizon)

    def everyone() -> Sequence[Member]:
        nested = call.given.get("includeDerivedMembership") == "true"
        members = list({m.id: m for m in _derived(call, group)}.values()) if nested else _direct(call, group)
        if call.faults.roles_ignored or roles == set(ROLES):
            return members
        return [member for member in members if member.role in roles]

    return call.listing(
        "admin#directory#members",
        "members",
        everyone,
        lambda member, wanted: resource(call, member, wanted, users=users),
        repeats=call.faults.repeats_member,
    )


def _direct(call: Call, group: Group) -> list[Member]:
    seen = call.domain.members[group.id].seen(call.domain.horizon).values()
    return [member for member in seen if not member.pending]


def _derived(call: Call, group: Group) -> Iterator[Member]:
    """Members, and theirs; the nearer ones come last, and win."""
    for member in _direct(call, group):
        if inner := call.domain.groups.now.get(member.id):
            yield from _derived(call, inner)
    yield from _direct(call, group)


def found(call: Call, group: Group, *, seen: bool = True) -> Member:
    """The member that memberKey names: by the primary address, an alias, or the id.

    An address that no account has is "required" (400), and not "notFound" (404): so Google has answered since 2016.
    """
    key, domain = call.given["memberKey"], call.domain
    members = domain.members[group.id]
    table = members.seen(domain.horizon) if seen else members.now
    named = domain.owner(key) or (domain.known_stranger(key) if "@" in key else key)
    if named is None:
        raise errors.missing("memberKey")
    member = table.get(named)
    if member is None and "@" in key and domain.owner(key) is None:
        raise errors.missing("memberKey")
    if member is None or member.pending:
        raise errors.not_found("memberKey")
    return member


def got(call: Call) -> Resource:
    call.need("GROUPS_RETRIEVE")
    member = found(call, group_found(call))
    return resource(call, member, call.wanted, users=call.domain.users.seen(call.domain.horizon), whole=True)


def inserted(call: Call) -> Resource:
    call.need("GROUPS_UPDATE")
    group = group_found(call, seen=False)
    key = call.body.get("email") or call.body.get("id")
    if not key:
        raise errors.missing("member")
    member = _asked(call, _candidate(call, group, key))
    if member.id in call.domain.members[group.id].now:
        raise errors.exists("Member")
    call.domain.keep_member(group, member)
    return _whole(call, group, member.id)


def _candidate(call: Call, group: Group, key: str) -> Member:
    member = call.domain.candidate(key)
    if member is None and ("@" not in key or call.domain.ours(key)):
        raise errors.not_found("memberKey")
    if member is None:
        stranger = call.domain.stranger(key)
        if stranger.id not in call.domain.members[group.id].now and not allows_strangers(call.domain, group):
            raise errors.precondition()
        return stranger
    if member.type == "GROUP":
        if call.body.get("role") not in {None, "MEMBER"}:
            raise errors.invalid("memberKey")
        if member.id == group.id or any(one.id == group.id for one in _derived(call, call.domain.group(member.id))):
            raise errors.precondition("Cyclic memberships not allowed")
    return member


def _asked(call: Call, member: Member) -> Member:
    """The member with the body's role and delivery."""
    role, delivery = call.body.get("role"), call.body.get("delivery_settings")
    if role is not None and role not in ROLES:
        raise errors.invalid("role")
    if delivery is not None and delivery not in DELIVERY:
        raise errors.invalid("delivery_settings")
    return replace(member, role=role or member.role, delivery=delivery or member.delivery)


def changed(call: Call) -> Resource:
    """patch, and update."""
    call.need("GROUPS_UPDATE")
    group = group_found(call, seen=False)
    member = found(call, group, seen=False)
    if member.type in {"GROUP", "CUSTOMER"} and call.body.get("role") not in {None, "MEMBER"}:
        raise errors.invalid("memberKey")
    call.domain.keep_member(group, _asked(call, member))
    return _whole(call, group, member.id)


def _whole(call: Call, group: Group, id: str) -> Resource:
    """As it is now, however late readers are."""
    member = call.domain.members[group.id].now[id]
    return resource(call, member, call.wanted, users=call.domain.users.now, whole=True)


def deleted(call: Call) -> None:
    call.need("GROUPS_UPDATE")
    group = group_found(call, seen=False)
    call.domain.drop_member(group, found(call, group, seen=False).id)


def has(call: Call) -> Resource:
    """Whether somebody is a member, also through other groups; it does not speak of strangers, nor of groups."""
    call.need("GROUPS_RETRIEVE")
    group = group_found(call)
    member = call.domain.candidate(call.given["memberKey"])
    if member is None or member.type != "USER":
        raise errors.invalid("memberKey")
    everyone = {one.id for one in _derived(call, group)}
    return call.only({"isMember": member.id in everyone or call.domain.customer in everyone})


HANDLERS: Mapping[str, Handler] = {
    "directory.members.list": listed,
    "directory.members.get": got,
    "directory.members.insert": inserted,
    "directory.members.patch": changed,
    "directory.members.update": changed,
    "directory.members.delete": deleted,
    "directory.members.hasMember": has,
}
