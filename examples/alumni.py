"""Invented alumni and their accounts, up to today: `var/alumni.ldif` and `var/accounts.json` of the embedded campus.

    python examples/alumni.py var

Made anew each time; nobody in them exists. Some end soon, some have ended, one came back, and a few have what real
directories have: no date, a date of 1900, an entry that does not say whose it is.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

DOMAIN = "studenti.unimore.it"
SUFFIX = "dc=unimore,dc=it"
TO_COME = (3, 6, 20, 28, 45, 60, 80, 120, 200, 300, 340, 400, 500, 600, 700, 800, 900, 1000, 1050, 1080)  # days
OVER = (1, 9, 100, 400, 900)


class Graduate(NamedTuple):
    number: int
    graduated: str  # generalizedTime, "" for none
    person: str  # "" for none
    status: str = "alumn"
    language: str = "it"


def graduates(today: date) -> Iterator[Graduate]:
    ends = [today + timedelta(days=days) for days in (*TO_COME, *(-days for days in OVER))]
    for number, last in enumerate(ends, 1):
        yield Graduate(
            number, time(three_years_before(last)), person(number), language="en" if number % 5 == 0 else "it"
        )
    back = len(ends) + 1
    yield Graduate(back, time(three_years_before(today - timedelta(days=40))), person(back))
    yield Graduate(back + 1, "", person(back), status="active")  # the same person: a student again
    yield Graduate(back + 2, "", person(back + 2))
    yield Graduate(back + 3, "19000101000000Z", person(back + 3))
    yield Graduate(back + 4, time(three_years_before(today - timedelta(days=40))), "")


def three_years_before(day: date) -> date:
    try:
        return day.replace(year=day.year - 3)
    except ValueError:  # 29 February
        return day.replace(year=day.year - 3, day=28)


def time(day: date) -> str:
    return f"{day:%Y%m%d}110000Z"


def person(number: int) -> str:
    return f"urn:schac:personalUniqueID:it:CF:INVENTED{number:04}"


def address(number: int) -> str:
    return f"{300_000 + number}@{DOMAIN}"


def record(one: Graduate) -> str:
    uid = 300_000 + one.number
    lines = [
        f"dn: uid={uid},ou=people,{SUFFIX}",
        "objectClass: inetOrgPerson",
        "objectClass: unimorePerson",
        f"uid: {uid}",
        f"cn: Alumnus {one.number}",
        f"sn: {one.number}",
        f"mail: {address(one.number)}",
        f"unimoreStatus: {one.status}",
        f"personalMail: alumnus{one.number}@example.org",
        f"preferredLanguage: {one.language}",
        *([f"schacPersonalUniqueID: {one.person}"] if one.person else []),
        *([f"unimoreGraduationDate: {one.graduated}"] if one.graduated else []),
    ]
    return "\n".join(lines) + "\n\n"


def account(one: Graduate) -> dict[str, object]:
    return {
        "id": f"{10_000 + one.number}",
        "address": address(one.number),
        "state": "active",
        "aliases": [f"alumnus.{one.number}@{DOMAIN}"],
        "megabytes": 700 * one.number,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Invented alumni and their accounts, up to today.")
    parser.add_argument("folder", type=Path, help="where alumni.ldif and accounts.json are written")
    folder: Path = parser.parse_args(arguments).folder
    folder.mkdir(parents=True, exist_ok=True)
    everybody = list(graduates(datetime.now(ZoneInfo("Europe/Rome")).date()))
    (folder / "alumni.ldif").write_text("".join(map(record, everybody)), "ascii")
    accounts = {"accounts": [account(one) for one in everybody]}
    (folder / "accounts.json").write_text(json.dumps(accounts, indent=1) + "\n", "ascii")


if __name__ == "__main__":
    main()
