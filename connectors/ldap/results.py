"""What a server's result code means to the person who must do something about it."""

from collections.abc import Mapping

from collima.core.errors import SourceError

SUCCESS, SIZE_LIMIT, REFERRAL, NO_SUCH_OBJECT, INSUFFICIENT_ACCESS, BUSY, UNAVAILABLE = 0, 4, 10, 32, 50, 51, 52

_RIGHTS = "see docs/rights.md for the rights that the bind account needs"
_NAMES: Mapping[int, tuple[str, str]] = {
    1: ("operationsError", "Active Directory answers so to who is not bound: check `bind` and `password`"),
    2: ("protocolError", "the server does not speak LDAP version 3 with paged results"),
    3: (
        "timeLimitExceeded",
        f"lift the bind account's time limit, or index what the filters ask; {_RIGHTS}",
    ),
    4: ("sizeLimitExceeded", f"give the bind account unlimited size.soft, size.hard and size.prtotal; {_RIGHTS}"),
    7: ("authMethodNotSupported", "bind in another way"),
    8: ("strongerAuthRequired", "the server wants TLS: write ldaps:// or `start-tls: true`"),
    10: ("referral", "name the server that holds these entries in `url`, or a narrower `base`"),
    11: ("adminLimitExceeded", f"raise the server's administrative limits for the bind account; {_RIGHTS}"),
    12: ("unavailableCriticalExtension", "the server cannot answer in pages, which a complete reading needs"),
    13: ("confidentialityRequired", "the server wants TLS: write ldaps:// or `start-tls: true`"),
    16: ("noSuchAttribute", "a filter names an attribute that the server does not have"),
    18: ("inappropriateMatching", "a filter compares an attribute in a way that its schema does not allow"),
    32: ("noSuchObject", "correct `base`"),
    33: ("aliasProblem", "correct `base`"),
    34: ("invalidDNSyntax", "correct `base`"),
    48: ("inappropriateAuthentication", "the account has no password on the server: check `bind`"),
    49: ("invalidCredentials", "check `bind` and `password`, and whether the account is locked"),
    50: ("insufficientAccessRights", _RIGHTS),
    51: ("busy", "try again later"),
    52: ("unavailable", "try again later"),
    53: ("unwillingToPerform", "the server's log says why"),
    54: ("loopDetect", "the server's log says why"),
    80: ("other", "the server's log says why"),
}


class Unanswered(SourceError):
    """Nothing of an answer was received, and asking again may help: what the connector itself tries again."""

    transient = True


def meaning(code: int, diagnostic: str = "") -> str:
    """`sizeLimitExceeded (4): what to do`. The server's own words are added where they can name nobody."""
    name, cure = _NAMES.get(code, ("", "the server's log says why"))
    said = "".join(char if char.isprintable() else " " for char in diagnostic).strip()
    quoted = f', "{said[:200]}"' if said and not {"@", "="} & set(said) else ""
    return f"{name or 'result'} ({code}{quoted}): {cure}"


def failure(what: str, code: int, diagnostic: str = "", *, received: int = 0) -> SourceError:
    """The error for a search that ended with `code` after `received` entries."""
    text = f"{what}: stopped after {received} entries with {meaning(code, diagnostic)}"
    if code in {BUSY, UNAVAILABLE}:
        return SourceError(text, transient=True) if received else Unanswered(text)
    return SourceError(text)
