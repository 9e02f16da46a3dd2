"""Many calls in one request: multipart/mixed with a whole HTTP request in each part.

https://developers.google.com/workspace/admin/directory/v1/guides/batch: at most 1,000; done in any order; an answer
bears the Content-ID of its call with `response-` before it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from tests.servers.google.errors import Refused, unreadable

MOST = 1000
BOUNDARY = re.compile(r'boundary="?([^";,]+)"?', re.IGNORECASE)
BLANK = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class Request:
    verb: str
    target: str  # path and query, as they were sent
    headers: Mapping[str, str]  # by lower-case name
    body: bytes
    id: str = ""  # Content-ID, in a batch


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def parsed(request: Request) -> list[Request]:
    """The calls of a batch; each may bring its own Authorization, and has the batch's otherwise. Raises Refused."""
    found = BOUNDARY.search(request.headers.get("content-type", ""))
    if found is None:
        raise unreadable("Failed to parse batch request, error: 0 items. Received batch body: (no boundary)")
    parts = request.body.split(b"--" + found[1].encode())[1:]
    if not parts or not parts[-1].startswith(b"--"):
        raise unreadable("Failed to parse batch request, error: the last boundary is missing")
    calls = [_call(part, request.headers.get("authorization", "")) for part in parts[:-1]]
    if not calls:
        raise unreadable("Failed to parse batch request, error: 0 items.")
    if len(calls) > MOST:
        message = f"The batch request could not be processed: it has {len(calls)} calls, and the limit is {MOST}."
        raise Refused(400, "badRequest", message, front=True)
    return calls


def _call(part: bytes, authorization: str) -> Request:
    outer, inner, body = [*BLANK.split(part.lstrip(b"\r\n"), 2), b"", b""][:3]
    line, _, lines = inner.partition(b"\n")
    words = line.decode("ascii", "replace").split()
    if len(words) < 2:
        raise unreadable("Failed to parse batch request, error: a part has no request line")
    headers = {"authorization": authorization} | _headers(lines)
    return Request(words[0], words[1], headers, body.rstrip(b"\r\n"), _headers(outer).get("content-id", ""))


def _headers(lines: bytes) -> dict[str, str]:
    unfolded = re.sub(r"\r?\n[ \t]+", " ", lines.decode("utf-8", "replace"))
    pairs = (line.partition(":") for line in unfolded.splitlines() if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def composed(answers: Iterable[tuple[Request, Response]], boundary: str) -> Response:
    """One answer to all of them."""
    parts = []
    for request, answer in answers:
        reference = f"Content-ID: <response-{request.id.strip('<>')}>\r\n" if request.id else ""
        headers = {**answer.headers, "Content-Length": str(len(answer.body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        status = f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"
        part = f"--{boundary}\r\nContent-Type: application/http\r\n{reference}\r\n{status}\r\n{head}\r\n"
        parts.append(part.encode() + answer.body + b"\r\n")
    body = b"".join(parts) + f"--{boundary}--\r\n".encode()
    return Response(200, body, {"Content-Type": f"multipart/mixed; boundary={boundary}"})
