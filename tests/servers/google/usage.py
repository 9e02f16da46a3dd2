"""How much the accounts store: the usage reports of the Reports API. They are ready some days late.

https://developers.google.com/workspace/admin/reports/v1/reference/usage-ref-appendix-a/users-accounts
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta

from tests.servers.google import errors
from tests.servers.google.call import Call, Handler, Resource
from tests.servers.google.store import User

LATE = timedelta(days=2)
OLDEST = timedelta(days=450)
TOTAL_MB = 100 * 1024 * 1024

VALUES: Mapping[str, Callable[[User], int]] = {
    "accounts:used_quota_in_mb": lambda user: user.used_mb,
    "accounts:gmail_used_quota_in_mb": lambda user: user.used_mb // 4,
    "accounts:drive_used_quota_in_mb": lambda user: user.used_mb - user.used_mb // 4,
    "accounts:total_quota_in_mb": lambda _: -1,  # pooled
}


def _day(call: Call) -> date:
    """The day asked for. Raises Refused (400) when there is no such day, or no report of it."""
    try:
        day = date.fromisoformat(call.given["date"])
    except ValueError:
        raise errors.Refused(400, "invalid", "Invalid date format") from None
    today = datetime.fromtimestamp(call.domain.clock(), UTC).date()
    if day > today - LATE:
        message = f"Data for dates later than {today - LATE} is not yet available. Please check back later"
        raise errors.Refused(400, "invalid", message)
    if day < today - OLDEST:
        raise errors.Refused(400, "invalid", f"Data for dates before {today - OLDEST} is not available.")
    return day


def _asked(call: Call) -> list[str]:
    """Parameters that are not known are ignored; none asked for: all."""
    asked = [name for name in call.given.get("parameters", "").split(",") if name]
    return [name for name in VALUES if not asked or name in asked]


def of_users(call: Call) -> Resource:
    call.need("REPORTS_ACCESS")
    day, names, domain, key = _day(call), _asked(call), call.domain, call.given["userKey"]

    def report(user: User, wanted: object) -> Resource:
        return {
            "kind": "admin#reports#usageReport",
            "date": str(day),
            "entity": {
                "type": "USER",
                "customerId": domain.customer,
                "userEmail": user.address,
                "profileId": user.id,
            },
            "parameters": [{"name": name, "intValue": str(VALUES[name](user))} for name in names],
        }

    def users() -> list[User]:
        if key == "all":
            return list(domain.users.now.values())
        user = domain.users.now.get(domain.owner(key) or key)
        if user is None:
            raise errors.not_found("userKey")
        return [user]

    return call.only(call.listing("admin#reports#usageReports", "usageReports", users, report))


def of_customer(call: Call) -> Resource:
    call.need("REPORTS_ACCESS")
    day, names = _day(call), _asked(call)
    users = call.domain.users.now.values()
    sums = {name: sum(VALUES[name](user) for user in users) for name in names}
    if "accounts:total_quota_in_mb" in sums:
        sums["accounts:total_quota_in_mb"] = TOTAL_MB
    report = {
        "kind": "admin#reports#usageReport",
        "date": str(day),
        "entity": {"type": "CUSTOMER", "customerId": call.domain.customer},
        "parameters": [{"name": name, "intValue": str(value)} for name, value in sums.items()],
    }
    return call.only({"kind": "admin#reports#usageReports", "usageReports": [report]})


HANDLERS: Mapping[str, Handler] = {
    "reports.userUsageReport.get": of_users,
    "reports.customerUsageReports.get": of_customer,
}
