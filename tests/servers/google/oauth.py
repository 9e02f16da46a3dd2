"""The token endpoint, delegation, administrators' privileges, and the key files that clients hold.

https://developers.google.com/identity/protocols/oauth2/service-account: the claims, and the errors with their words.
"""

import base64
import binascii
import json
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.servers.google import errors
from tests.servers.google.store import Domain

AUDIENCE = "https://oauth2.googleapis.com/token"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFE = 3600
"""Seconds for which an assertion may be made, and an access token is good."""
SKEW = 300

SCOPE = "https://www.googleapis.com/auth/"
READING = tuple(
    SCOPE + name
    for name in (
        "admin.directory.user.readonly",
        "admin.directory.group.readonly",
        "admin.directory.group.member.readonly",
    )
)
WRITING = tuple(
    SCOPE + name for name in ("admin.directory.user", "admin.directory.group", "admin.directory.group.member")
)
SETTINGS = SCOPE + "apps.groups.settings"
USAGE = SCOPE + "admin.reports.usage.readonly"

GROUPS_ADMIN = frozenset({"GROUPS_ALL", "USERS_RETRIEVE", "ORGANIZATION_UNITS_RETRIEVE"})
"""Google's own role of that name."""
SUPER = frozenset({"SUPER"})

UNAUTHORIZED = (
    "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the "
    "scopes requested."
)
SHORT_LIVED = (
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp "
    "values in the JWT claim."
)


@cache
def _key(number: int) -> rsa.RSAPrivateKey:
    """Short, for what it protects is invented, and long keys take long to make and to load."""
    return rsa.generate_private_key(public_exponent=65537, key_size=1024)


@dataclass
class ServiceAccount:
    email: str
    client_id: str
    project: str
    keys: dict[str, rsa.RSAPrivateKey] = field(default_factory=dict)  # by key id; those that are not revoked
    delegated: set[str] = field(default_factory=set)  # scopes that it may ask for in somebody's name
    privileges: frozenset[str] = frozenset()  # of its own administrator role, used without a subject


@dataclass(frozen=True, slots=True)
class Token:
    who: str  # the subject, or the service account's own address
    project: str
    scopes: frozenset[str]
    until: float
    privileges: frozenset[str]

    def may(self, privilege: str) -> bool:
        """GROUPS_ALL is every privilege over groups; a super administrator has all."""
        kind = privilege.partition("_")[0]
        return bool(self.privileges & {privilege, f"{kind}_ALL", "SUPER"})


class Denied(Exception):
    """An answer of the token endpoint."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.error, self.description, self.status = error, description, status


class Authority:
    """`wall` tells the time that assertions are held against: the client signs with its own clock."""

    def __init__(self, domain: Domain, wall: Callable[[], float] = time.time) -> None:
        self.domain = domain
        self.wall = wall
        self.accounts: dict[str, ServiceAccount] = {}
        self.tokens: dict[str, Token] = {}

    # ---- arranging

    def service_account(
        self, name: str = "collima", *, delegated: Iterable[str] = (), privileges: Iterable[str] = ()
    ) -> ServiceAccount:
        number = len(self.accounts)
        account = ServiceAccount(
            email=f"{name}@invented-{number}.iam.gserviceaccount.com",
            client_id=str(107_000_000_000_000_000_000 + number),
            project=f"invented-{number}",
            delegated=set(delegated),
            privileges=frozenset(privileges),
        )
        self.accounts[account.email] = account
        return account

    def administrator(self, address: str, privileges: Iterable[str]) -> None:
        """An account of the domain that may administer; it is made when it is not there. Later tokens obey it."""
        if self.domain.owner(address) is None:
            self.domain.add_user(address, given="Collima", family="Service")
        self.domain.administrators[self.domain.user(address).id] = frozenset(privileges)

    def key_file(self, account: ServiceAccount, path: Path, token_uri: str) -> Path:
        """A new key, and the JSON file (0600) that the Cloud console would give."""
        key = _key(len(account.keys))
        key_id = secrets.token_hex(20)
        account.keys[key_id] = key
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.touch(mode=0o600)
        path.write_text(
            json.dumps(
                {
                    "type": "service_account",
                    "project_id": account.project,
                    "private_key_id": key_id,
                    "private_key": pem.decode(),
                    "client_email": account.email,
                    "client_id": account.client_id,
                    "token_uri": token_uri,
                    "universe_domain": "googleapis.com",
                },
                indent=2,
            )
        )
        return path

    def revoke(self, account: ServiceAccount) -> None:
        """Its keys are good for nothing from now on; tokens that were given live on."""
        account.keys.clear()

    def withdraw(self, account: ServiceAccount, *scopes: str) -> None:
        account.delegated -= set(scopes)

    def forget_tokens(self) -> None:
        """Every access token has expired: the next call is 401, and the client asks for a new one."""
        self.tokens.clear()

    # ---- answering

    def token(self, form: bytes) -> dict[str, object]:
        """What POST /token answers. Raises Denied."""
        fields = {name: values[0] for name, values in parse_qs(form.decode("ascii", "replace")).items()}
        if fields.get("grant_type") != GRANT:
            raise Denied("unsupported_grant_type", f"Invalid grant_type: {fields.get('grant_type', '')}")
        claims, account = self._verified(fields.get("assertion", ""))
        requested = frozenset(str(claims.get("scope", "")).split())
        if not requested:
            raise Denied("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        if strange := sorted(scope for scope in requested if not scope.startswith("https://")):
            raise Denied("invalid_scope", f"Some requested scopes were invalid. {{invalid={strange}}}")
        subject = str(claims.get("sub") or account.email).lower()
        privileges = account.privileges
        if subject != account.email:
            privileges = self._delegate(account, subject, requested)
        secret = f"ya29.{secrets.token_urlsafe(40)}"
        until = self.wall() + LIFE
        self.tokens[secret] = Token(subject, account.project, requested, until, privileges)
        return {"access_token": secret, "expires_in": LIFE - 1, "token_type": "Bearer"}

    def _delegate(self, account: ServiceAccount, subject: str, requested: frozenset[str]) -> frozenset[str]:
        owner = self.domain.owner(subject)
        user = self.domain.users.now.get(owner or "")
        if user is None:
            if self.domain.ours(subject):
                raise Denied("invalid_grant", "Invalid email or User ID")
            raise Denied("unauthorized_client", UNAUTHORIZED, 401)
        if not requested <= account.delegated:
            raise Denied("unauthorized_client", UNAUTHORIZED, 401)
        if user.suspended is not None:
            raise Denied("invalid_grant", "Account has been disabled.")
        return self.domain.administrators.get(user.id, frozenset())

    def _verified(self, assertion: str) -> tuple[dict[str, object], ServiceAccount]:
        """The claims of an RS256 JWT that one of our service accounts has signed just now. Raises Denied."""
        try:
            head, payload, signature = assertion.split(".")
            header, claims = json.loads(_decoded(head)), json.loads(_decoded(payload))
            signed = _decoded(signature)
        except (ValueError, binascii.Error):
            raise Denied("invalid_grant", "Bad Request") from None
        account = self.accounts.get(str(claims.get("iss", "")))
        if account is None:
            raise Denied("invalid_grant", "Invalid grant: account not found")
        key = account.keys.get(str(header.get("kid", "")))
        if header.get("alg") != "RS256" or key is None:
            raise Denied("invalid_grant", "Invalid JWT Signature.")
        try:
            message = f"{head}.{payload}".encode()
            key.public_key().verify(signed, message, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            raise Denied("invalid_grant", "Invalid JWT Signature.") from None
        if claims.get("aud") != AUDIENCE:
            raise Denied("invalid_grant", f"Invalid JWT: Failed audience check. The right audience is {AUDIENCE}")
        now, issued, expires = self.wall(), claims.get("iat"), claims.get("exp")
        if not (isinstance(issued, int) and isinstance(expires, int)):
            raise Denied("invalid_grant", SHORT_LIVED)
        if not (issued - SKEW <= now <= expires + SKEW and 0 < expires - issued <= LIFE):
            raise Denied("invalid_grant", SHORT_LIVED)
        return claims, account

    def bearer(self, authorization: str) -> Token:
        """Who an Authorization header speaks for. Raises Refused (401)."""
        kind, _, secret = authorization.partition(" ")
        if kind.lower() != "bearer" or not secret:
            raise errors.credentials("Login Required.", "required")
        token = self.tokens.get(secret)
        if token is None or token.until <= self.wall():
            raise errors.credentials()
        return token


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
