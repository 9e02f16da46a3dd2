"""What a group allows: the Groups Settings API. Its values are strings, also `"true"`; who reads them may write them.

https://developers.google.com/workspace/admin/groups-settings/v1/reference/groups
"""

from collections.abc import Mapping

from tests.servers.google import errors
from tests.servers.google.call import Call, Handler, Resource
from tests.servers.google.discovery import document, possible
from tests.servers.google.store import Domain, Group

DEFAULTS: Mapping[str, object] = {
    "whoCanJoin": "CAN_REQUEST_TO_JOIN",
    "whoCanViewMembership": "ALL_MEMBERS_CAN_VIEW",
    "whoCanViewGroup": "ALL_MEMBERS_CAN_VIEW",
    "whoCanInvite": "ALL_MANAGERS_CAN_INVITE",
    "whoCanAdd": "ALL_MANAGERS_CAN_ADD",
    "allowExternalMembers": "false",
    "whoCanPostMessage": "ALL_IN_DOMAIN_CAN_POST",
    "allowWebPosting": "true",
    "primaryLanguage": "it",
    "maxMessageBytes": 26214400,
    "isArchived": "false",
    "archiveOnly": "false",
    "messageModerationLevel": "MODERATE_NONE",
    "spamModerationLevel": "MODERATE",
    "replyTo": "REPLY_TO_IGNORE",
    "includeCustomFooter": "false",
    "sendMessageDenyNotification": "false",
    "showInGroupDirectory": "true",
    "membersCanPostAsTheGroup": "false",
    "includeInGlobalAddressList": "true",
    "whoCanLeaveGroup": "ALL_MEMBERS_CAN_LEAVE",
    "whoCanContactOwner": "ANYONE_CAN_CONTACT",
    "whoCanModerateMembers": "OWNERS_AND_MANAGERS",
    "whoCanModerateContent": "OWNERS_AND_MANAGERS",
    "whoCanAssistContent": "NONE",
    "whoCanDiscoverGroup": "ALL_IN_DOMAIN_CAN_DISCOVER",
    "enableCollaborativeInbox": "false",
    "customRolesEnabledForSettingsToBeMerged": "false",
}


def settings(domain: Domain, group: Group) -> Resource:
    names = {"email": group.address, "name": group.name, "description": group.description}
    return {"kind": "groupsSettings#groups", **names, **DEFAULTS, **domain.settings.get(group.id, {})}


def allows_strangers(domain: Domain, group: Group) -> bool:
    return bool(settings(domain, group)["allowExternalMembers"] == "true")


def _found(call: Call) -> Group:
    """By address: this API knows no ids."""
    key = call.given["groupUniqueId"]
    group = call.domain.groups.now.get(call.domain.owner(key) or "")
    if group is None or call.domain.clock() - group.created < call.faults.birth:
        raise errors.Refused(404, "notFound", "Not Found") if call.domain.ours(key) else errors.forbidden()
    if call.given.get("alt") != "json":
        raise errors.Refused(400, "invalidParameter", "Only alt=json is spoken here.", location="alt")
    return group


def got(call: Call) -> Resource:
    call.need("GROUPS_RETRIEVE")
    return call.only(settings(call.domain, _found(call)))


def changed(call: Call) -> Resource:
    """patch, and update."""
    call.need("GROUPS_UPDATE")
    group = _found(call)
    properties = document("groupssettings", "v1")["schemas"]["Groups"]["properties"]
    for name, value in call.body.items():
        values = possible(properties[name]) or ({"true", "false"} if DEFAULTS.get(name) in {"true", "false"} else None)
        if values and value not in values:
            raise errors.Refused(400, "invalid", f"Invalid Value: {name}")
    after = settings(call.domain, group) | call.body
    if after["whoCanPostMessage"] == "NONE_CAN_POST" and after["archiveOnly"] == "false":
        raise errors.Refused(400, "invalid", "Invalid Value: whoCanPostMessage")
    kept = {name: value for name, value in call.body.items() if name not in {"kind", "email", "name", "description"}}
    call.domain.settings[group.id] = call.domain.settings.get(group.id, {}) | kept
    return call.only(settings(call.domain, group))


HANDLERS: Mapping[str, Handler] = {
    "groupsSettings.groups.get": got,
    "groupsSettings.groups.patch": changed,
    "groupsSettings.groups.update": changed,
}
