"""Google's own clients, from the documents that it ships: nothing is asked of the network to make them."""

import json
from functools import cached_property
from typing import Any

from googleapiclient.discovery import build_from_document
from googleapiclient.discovery_cache import get_static_doc

from connectors.google.access import GROUPS, MEMBERS, PEOPLE, SETTINGS, USAGE, USERS, Access, Authorized


class Apis:
    """Resources to make requests of, and what to send them with. `url`: in place of Google's own; "" for Google."""

    def __init__(self, access: Access, url: str) -> None:
        self._access, self._url = access, url

    # ---- what may be sent: each has a token of its own, asked for with its first call

    @cached_property
    def people(self) -> Authorized:
        return self._access.authorized(PEOPLE)

    @cached_property
    def groups(self) -> Authorized:
        return self._access.authorized(GROUPS)

    @cached_property
    def settings(self) -> Authorized:
        return self._access.authorized(SETTINGS)

    @cached_property
    def usage(self) -> Authorized:
        return self._access.authorized(USAGE)

    @cached_property
    def changing_members(self) -> Authorized:
        return self._access.authorized(MEMBERS)

    @cached_property
    def changing_accounts(self) -> Authorized:
        return self._access.authorized(USERS)

    # ---- of what requests are made

    @cached_property
    def directory(self) -> Any:
        return self._built("admin", "directory_v1", self.people)

    @cached_property
    def users_of(self) -> Any:
        return self.directory.users()

    @cached_property
    def groups_of(self) -> Any:
        return self.directory.groups()

    @cached_property
    def members_of(self) -> Any:
        return self.directory.members()

    @cached_property
    def settings_of(self) -> Any:
        return self._built("groupssettings", "v1", self.settings).groups()

    @cached_property
    def usage_of(self) -> Any:
        return self._built("admin", "reports_v1", self.usage).userUsageReport()

    def _built(self, name: str, version: str, http: Authorized) -> Any:
        document = json.loads(get_static_doc(name, version))
        if self._url:  # `client_options` would leave batches to Google
            document["rootUrl"] = self._url
            document["baseUrl"] = self._url + document["servicePath"]
        return build_from_document(document, http=http)
