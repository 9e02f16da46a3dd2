"""Google's own client, pointed at an emulator; also its batches, which `client_options` would send to Google."""

from collections.abc import Iterable
from typing import Any

from google.oauth2 import service_account
from googleapiclient.discovery import build_from_document

from tests.servers.google.discovery import fresh
from tests.servers.google.oauth import SETTINGS, USAGE, WRITING
from tests.servers.google.server import Emulator, Process


def credentials(
    emulator: Emulator | Process,
    *,
    scopes: Iterable[str] = (*WRITING, SETTINGS, USAGE),
    subject: str | None = "",
    key_file: str = "",
) -> service_account.Credentials:
    """In the name of `subject` ("": the emulator's administrator; None: nobody, the service account itself)."""
    file = key_file or str(emulator.key_file)
    subject = emulator.act_as if subject == "" else subject
    made: service_account.Credentials = service_account.Credentials.from_service_account_file(  # type: ignore[no-untyped-call]
        file, scopes=list(scopes), subject=subject
    )
    return made


def service(emulator: Emulator | Process, name: str = "admin", version: str = "directory_v1", **how: Any) -> Any:
    """A client of one of the three APIs; `how` as for `credentials`."""
    described = fresh(name, version)
    described["rootUrl"] = emulator.url
    described["baseUrl"] = emulator.url + described["servicePath"]
    return build_from_document(described, credentials=credentials(emulator, **how))
