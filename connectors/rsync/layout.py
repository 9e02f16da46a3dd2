"""Where generations are: `to/2026-11-21T2200Z` each good one, `to/.incoming` the one that a run goes on with."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime

INCOMING = ".incoming"
LINKING = ".linking"  # becomes .incoming when all the links are there
GOING = ".going-"  # before the stamp of a generation that is being removed
REPLACED = ".collima-replaced"  # what the transfer under way has replaced, in generations and beside a mirror's files
MIRROR = "mirror"
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d{4}Z", re.ASCII)
_FORM = "%Y-%m-%dT%H%MZ"


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(_FORM)


def moment(name: str) -> datetime | None:
    """When a generation was made; None for what is none."""
    if not _STAMP.fullmatch(name):
        return None
    try:
        return datetime.strptime(name, _FORM).replace(tzinfo=UTC)
    except ValueError:
        return None


def stamps(names: Iterable[str]) -> list[str]:
    """Those that are generations, newest first."""
    return sorted((name for name in names if moment(name)), reverse=True)
