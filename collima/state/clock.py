"""Times as the state stores them: whole microseconds since 1970, UTC."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """Exact: no float on the way. `moment` knows its zone."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


def maybe(micros: int | None) -> datetime | None:
    return None if micros is None else moment(micros)


def stamp(moment: datetime) -> str:
    """A moment as it stands in names: sortable, UTC, without a colon."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%S}"
