"""The service account: its key, a token for each set of scopes, and what to grant when Google gives none.

https://developers.google.com/identity/protocols/oauth2/service-account has the errors and their words.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import google_auth_httplib2
import httplib2
from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError
from google.oauth2.service_account import Credentials

from collima.core.errors import ConfigError, SourceError
from collima.core.options import Secret
from collima.core.text import discreet, line

_SCOPE = "https://www.googleapis.com/auth/"
PEOPLE = (f"{_SCOPE}admin.directory.user.readonly",)
GROUPS = (f"{_SCOPE}admin.directory.group.readonly", f"{_SCOPE}admin.directory.group.member.readonly")
SETTINGS = (f"{_SCOPE}apps.groups.settings",)
"""There is none that only reads."""
USAGE = (f"{_SCOPE}admin.reports.usage.readonly",)
MEMBERS = (f"{_SCOPE}admin.directory.group.member",)
USERS = (f"{_SCOPE}admin.directory.user",)

DELEGATION = "Admin console > Security > Access and data control > API controls > Domain-wide delegation"
ROLES = "Admin console > Account > Admin roles"
RIGHTS = "see docs/rights.md, Google"


class Access:
    """Raises ConfigError for a key file that cannot be used."""

    def __init__(self, key_file: Path, act_as: str, timeout: float) -> None:
        self.key_file, self.act_as = key_file, act_as
        self.key = _key(key_file)
        self.http = httplib2.Http(timeout=timeout)

    def close(self) -> None:
        self.http.close()

    def authorized(self, scopes: Sequence[str]) -> "Authorized":
        """No token is asked for yet."""
        try:
            made: Credentials = Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
                self.key, scopes=list(scopes), subject=self.act_as or None
            )
        except (ValueError, GoogleAuthError) as err:
            raise ConfigError(
                f"key-file: {self.key_file} is no key of a service account ({line(str(err), 100)})"
            ) from err
        return Authorized(self, made, scopes)

    def advice(self, scopes: Sequence[str], said: str) -> str:
        """What to grant, and where, when no token is given. `said`: Google's own words."""
        account, client = self.key.get("client_email", ""), self.key.get("client_id", "")
        wanted = ",".join(scopes)
        if "unauthorized_client" in said or "access_denied" in said:
            return (
                f"the service account may not act in the name of `act-as` with these scopes. {DELEGATION}: client ID "
                f"{client}, scopes {wanted} (a change takes some minutes, {RIGHTS})"
            )
        if "Invalid email" in said or "User ID" in said:
            return "there is no account with the address of `act-as`: correct it, or make the account"
        if "disabled" in said:
            return "the account of `act-as` is suspended: reactivate it, or act as another administrator"
        if "short-lived" in said or "timeframe" in said:
            return "this machine's clock is wrong, so that Google takes no signature of now: is its time synchronised?"
        if "Invalid JWT Signature" in said or "account not found" in said:
            return (
                f"the key in {self.key_file} is good no more: it was revoked, or its account {account} is gone. Make a "
                "new one (Cloud console > IAM & Admin > Service accounts > Keys), and put it there"
            )
        return f"Google gives no token for {wanted}: {line(discreet(said), 200)} ({RIGHTS})"


class Authorized:
    """An `httplib2.Http` that bears a token. Refreshes it when it has run out, through the same connections.

    It has no attribute `credentials`: by that Google's batches find a token to refresh, over sockets of their own.
    """

    def __init__(self, access: Access, bearing: Credentials, scopes: Sequence[str]) -> None:
        self.access, self.scopes = access, scopes
        self._bearing = bearing

    def request(self, uri: str, method: str = "GET", **how: Any) -> tuple[httplib2.Response, bytes]:
        """As httplib2's. Raises SourceError when Google gives no token, TransportError when it cannot be asked."""
        self.ready()
        headers: dict[str, str] = dict(how.pop("headers", None) or {})
        self._bearing.apply(headers)  # type: ignore[no-untyped-call]
        answer: tuple[httplib2.Response, bytes] = self.access.http.request(uri, method=method, headers=headers, **how)
        return answer

    def ready(self) -> None:
        """Sees to it that there is a token. Raises as `request`."""
        if self._bearing.valid:
            return
        try:
            self._bearing.refresh(google_auth_httplib2.Request(self.access.http))  # type: ignore[no-untyped-call]
        except RefreshError as err:
            if err.retryable:
                raise TransportError("no token just now") from err  # type: ignore[no-untyped-call]
            raise SourceError(self.access.advice(self.scopes, str(err))) from err

    def forget(self) -> None:
        """Google does not take this token any more."""
        self._bearing.token = None

    def close(self) -> None:
        """Nothing: `Access` has the connections."""


def _key(path: Path) -> Mapping[str, str]:
    text = Secret(file=path).reveal()
    try:
        key: Any = json.loads(text)
    except ValueError:
        key = None
    if not isinstance(key, Mapping) or key.get("type") != "service_account":
        raise ConfigError(f"key-file: {path} is no key of a service account: make one in the Cloud console (JSON)")
    return key
