"""What an account-expiry run tells beside what it does: who was spared and why, what waits, what is to come."""

from collections.abc import Iterator, Mapping

from collima.core import counting
from collima.core.counting import Sentences
from collima.core.model import Finding

ACCOUNTS = "accounts"
"""The one subject of this kind."""

_TOLD: Sentences = (
    ("info", "came-back", "accounts are spared: their owners came back (`unless`)"),
    ("info", "excepted", "accounts are spared by `except`"),
    ("warning", "no-person", "accounts are left alone: their entries do not say whose they are"),
    ("warning", "no-date", "accounts are left alone: their owners have no date"),
    (
        "warning",
        "bad-date",
        "accounts are left alone: their owners have a date that cannot be read, or from before 1980",
    ),
    ("warning", "future-date", "accounts are left alone: their owners have a date that has not come"),
    ("warning", "shared-account", "accounts are left alone: several people of the directory have their address"),
    ("warning", "another-person", "closed accounts are left alone: they were another person's when a run closed them"),
    ("warning", "reopened", "accounts that a run had closed were opened by hand: left alone until `except` names them"),
    ("info", "closed-elsewhere", "accounts that have ended were closed by somebody else: left alone"),
    (
        "warning",
        "left-closed",
        "accounts that a run had closed belong to nobody who can be told any more: kept as they are",
    ),
    ("info", "too-early", "accounts have ended, and have had no notice yet that is old enough"),
    (
        "warning",
        "notice-lost",
        "accounts have ended, and no notice is known to have reached them: suspend them by hand",
    ),
    ("warning", "except-expired", "lines of `except` had their last day: take them out"),
    ("warning", "except-unknown", "addresses in `except` have no account at the target"),
    ("info", "not-there", "people of `who` have no account at the target"),
    ("info", "no-way-back", "notices cannot be taken back"),
    ("warning", "not-as-it-was", "accounts are no longer as that run left them: not undone"),
)
CODES = frozenset(code for _, code, _ in _TOLD)


def why(code: str) -> str:
    """What is counted under this code, of one account."""
    return next(told for _, one, told in _TOLD if one == code)


def counted(counts: Mapping[str, int]) -> Iterator[Finding]:
    return counting.counted(_TOLD, ACCOUNTS, counts)


def paced(notices: int, closing: int, most: int) -> Iterator[Finding]:
    """`notices` and `closing`: how many wait for later runs."""
    if notices or closing:
        told = f"{notices} notices and {closing} suspensions wait for later runs (per-run {most})"
        yield Finding("info", ACCOUNTS, "paced", told)


def ahead(soon: Mapping[int, int]) -> Finding:
    in_30, in_90, in_365 = (soon[days] for days in sorted(soon))
    told = f"{in_30} accounts end within 30 days, {in_90} within 90, {in_365} within 365"
    return Finding("info", ACCOUNTS, "ends-soon", told)


def freed(megabytes: int) -> Iterator[Finding]:
    if megabytes:
        told = f"the accounts that have ended hold {megabytes / 1000:.1f} GB: deleting them frees it"
        yield Finding("info", ACCOUNTS, "storage", told)
