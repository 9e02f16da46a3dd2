"""Who may post to a group and see it, against what its roster says. Pure.

https://developers.google.com/workspace/admin/groups-settings/v1/reference/groups
"""

from collections.abc import Iterator, Mapping, Sequence

from collima.core.model import Level
from collima.core.targets import CIRCLES, Circle, Expected

FIELDS = "whoCanPostMessage,whoCanViewGroup,archiveOnly"

_POSTING: Mapping[str, Circle] = {
    "NONE_CAN_POST": "nobody",
    "ALL_OWNERS_CAN_POST": "owners",
    "ALL_MANAGERS_CAN_POST": "staff",
    "ALL_MEMBERS_CAN_POST": "members",
    "ALL_IN_DOMAIN_CAN_POST": "domain",
    "ANYONE_CAN_POST": "anyone",
}
_SEEING: Mapping[str, Circle] = {
    "ALL_OWNERS_CAN_VIEW": "owners",
    "ALL_MANAGERS_CAN_VIEW": "staff",
    "ALL_MEMBERS_CAN_VIEW": "members",
    "ALL_IN_DOMAIN_CAN_VIEW": "domain",
    "ANYONE_CAN_VIEW": "anyone",
}


def differences(settings: Mapping[str, str], expected: Expected, group: str) -> Iterator[tuple[Level, str, str]]:
    """Findings. `group`: its address, for the command that mends it."""
    post, see = settings.get("whoCanPostMessage", ""), settings.get("whoCanViewGroup", "")
    posting = "nobody" if settings.get("archiveOnly") == "true" else _POSTING.get(post, post)
    seeing = _SEEING.get(see, see)
    if expected.posting and posting != (wanted := _widest(expected.posting)):
        mend = _command(group, "who_can_post_message", _POSTING, wanted)
        yield "warning", "posting", f"`{posting}` may post, and the roster says `{wanted}`: {mend}"
    if expected.seeing and seeing != (wanted := _widest(expected.seeing)):
        mend = _command(group, "who_can_view_group", _SEEING, wanted)
        yield "warning", "seeing", f"`{seeing}` may read what was posted, and the roster says `{wanted}`: {mend}"


def _widest(circles: Sequence[Circle]) -> Circle:
    return max(circles, key=CIRCLES.index)


def _command(group: str, setting: str, table: Mapping[str, Circle], wanted: Circle) -> str:
    value = next((value for value, circle in table.items() if circle == wanted), "")
    if not value:
        return "Google has no such setting"
    return f"`gam update group {group} {setting} {value.lower()}`"
