"""How Google says no: one exception, and the sentences that its callers have learnt to read."""

import json
from typing import Any

FRONT = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}
"""The canonical code that Google's front end adds; what the Directory service itself refuses has none."""


class Refused(Exception):
    """A call that is answered with an error: `status`, and a body with `reason` and `message`.

    `done`: what was asked was done before. `html`: the body is a page for people, and has no reason.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        domain: str = "global",
        front: bool = False,
        retry_after: int | None = None,
        location: str = "",
        done: bool = False,
        html: bool = False,
    ) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status, self.reason, self.message = status, reason, message
        self.domain, self.front, self.retry_after, self.location = domain, front, retry_after, location
        self.done, self.html = done, html

    @property
    def body(self) -> bytes:
        if self.html:
            return f"<!DOCTYPE html>\n<html lang=en>\n<title>Error {self.status} (Server Error)!!1</title>\n".encode()
        one: dict[str, Any] = {"message": self.message, "domain": self.domain, "reason": self.reason}
        if self.location:
            one |= {"location": self.location, "locationType": "parameter"}
        error: dict[str, Any] = {"code": self.status, "message": self.message, "errors": [one]}
        if self.front:
            error["status"] = FRONT[self.status]
        return json.dumps({"error": error}).encode()

    @property
    def headers(self) -> dict[str, str]:
        headers = {"Content-Type": "text/html; charset=UTF-8" if self.html else "application/json; charset=UTF-8"}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        if self.status == 401:
            headers["WWW-Authenticate"] = 'Bearer realm="https://accounts.google.com/"'
        return headers


def not_found(key: str) -> Refused:
    """`key` is userKey, groupKey or memberKey: callers tell them apart by it."""
    return Refused(404, "notFound", f"Resource Not Found: {key}")


def invalid(what: str) -> Refused:
    return Refused(400, "invalid", f"Invalid Input: {what}")


def missing(field: str) -> Refused:
    return Refused(400, "required", f"Missing required field: {field}")


def exists(what: str = "Entity") -> Refused:
    return Refused(409, "duplicate", f"{what} already exists.")


def precondition(message: str = "Precondition is not met.") -> Refused:
    return Refused(412, "conditionNotMet", message)


def forbidden() -> Refused:
    return Refused(403, "forbidden", "Not Authorized to access this resource/api")


def unreadable(message: str) -> Refused:
    """A request that does not fit the discovery document."""
    return Refused(400, "badRequest", message, front=True)


def scopes() -> Refused:
    message = "Request had insufficient authentication scopes."
    return Refused(403, "insufficientPermissions", message, front=True)


def credentials(message: str = "Invalid Credentials", reason: str = "authError") -> Refused:
    return Refused(401, reason, message, front=True)


def user_rate_limit() -> Refused:
    message = "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user' of service 'admin'."
    return Refused(403, "userRateLimitExceeded", message, domain="usageLimits", front=True)


def rate_limit() -> Refused:
    return Refused(403, "rateLimitExceeded", "Rate Limit Exceeded", domain="usageLimits")


def quota() -> Refused:
    return Refused(403, "quotaExceeded", "Request rate higher than configured.", domain="usageLimits")


def too_many(retry_after: int) -> Refused:
    message = "Resource has been exhausted (e.g. check quota)."
    return Refused(429, "rateLimitExceeded", message, front=True, retry_after=retry_after)


def backend(*, done: bool = False) -> Refused:
    return Refused(503, "backendError", "Service unavailable. Please try again", done=done)


def bad_gateway() -> Refused:
    """Of the machines before the API: they speak HTML."""
    return Refused(502, "badGateway", "Bad Gateway", html=True)
