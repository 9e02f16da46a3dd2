"""Every sentence that the guard and roster-sync can say is told in the reader's language."""

from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from collima.app.phrases import told
from collima.app.words import translations
from collima.core import guard
from collima.core.guard import Whole, doubt
from collima.core.model import Change, Key, Limit, Plan, Subject
from collima.core.ports import Past
from collima.core.quantities import amount
from collima.directory.filters import parse
from connectors.sympa import lists
from connectors.sympa.database import Exclusions, Rows
from connectors.sympa.machine import Look
from jobs.account_expiry import findings
from jobs.quarantine_digest import findings as digests
from jobs.roster_sync.options import Stanza
from tests.jobs.alumni import Alumni, accounts, entry
from tests.jobs.campus import Campus, person, place, staff, stanza
from tests.jobs.volumes import HOME, MAIL, MORNING, Storage, job, nightly

ITALIAN = translations("it")


def translated(text: str) -> bool:
    """Whether each of its parts is told otherwise than in English."""
    return all(told(part, ITALIAN) != part for part in text.split("; "))


def reason(subject: Subject, *, added: int = 0, removed: int = 0, **more: object) -> str:
    keys = [*(Key("l", "add", str(n)) for n in range(added)), *(Key("l", "remove", str(n)) for n in range(removed))]
    plan = Plan((), (subject,), tuple(Change(key, "", None) for key in keys))
    given: dict[str, object] = {"whole": Whole(), "doubts": ()} | more
    return guard.judge(plan, **given).reasons["l"]  # type: ignore[arg-type]


LIMITS = (Limit("remove", amount("10%"), 3), Limit("add", amount("50%"), 3))


@pytest.mark.parametrize(
    "text",
    [
        reason(Subject("l", 100, limits=LIMITS), removed=50),
        reason(Subject("l", 100, limits=LIMITS), added=60),
        reason(Subject("l", 100, found=0, limits=LIMITS), removed=5),
        reason(Subject("l", 0, first_fill=amount("25%"), everyone=10), added=5),
        reason(Subject("l", 100), removed=5, unproven=True),
        reason(Subject("l", 100), removed=50, whole=Whole(amount("5%"))),
        reason(Subject("l", 100), removed=1, doubts=[f"people: {doubt(50, Past((100,) * 3), amount('10%'))}"]),
        reason(Subject("l", 100), removed=1, doubts=["people: nobody was found at all"]),
        reason(Subject("l", 100), removed=1, undone={Key("l", "remove", "0"): "20261124T053000-abcd"}),
    ],
)
def test_a_reason_of_the_guard_is_told_in_italian(text: str) -> None:
    assert translated(text)
    assert not {"would", "suspicious", "limit ", "usually", "found"} & set(told(text, ITALIAN).split())


def test_the_findings_of_a_bad_roster_are_told_in_italian(tmp_path: Path) -> None:
    campus = Campus(tmp_path)
    searched: dict[str, object] = {"for_each": {"p": parse("(objectClass=organizationalUnit)")}}
    both = (stanza(), Stanza(name="{p.ou}", members=stanza().members, **searched))  # type: ignore[arg-type]
    campus.people(place("Docenti", l="x"), staff(3, employeeType="PO"), person("m", mail=(), employeeType="PO"))
    found = [*campus.run(campus.job(*both)).findings]
    campus.target.missing.add("tecnici")
    job = campus.job(stanza(), stanza("tecnici", "(employeeType=PTA)"))
    found += campus.run(job).findings
    found += campus.run(job, name="another").findings
    found += campus.run(campus.job(stanza("altri"))).findings
    codes = {f.code for f in found}
    assert codes == {"name-clash", "no-address", "roster-missing", "owned-by-another", "frozen", "self-corrected"}
    assert [f.code for f in found if not translated(f.text)] == []


@pytest.mark.parametrize(
    "fault",
    [
        "ssh did not end within 30 seconds",
        "ssh ended with 255: no route to host",
        "ssh ended with 3",
        "zfs cannot be run: No such file or directory",
        "sh printed nothing, and ended with 0",
        "sh: line 2 is not like `pattern`: <html>",
        "sh: line 2: no time of the form of `time`: yesterday",
        "/srv/.snapshot: the folder is empty (not mounted?)",
        "/srv/.snapshot: 12 names, none like daily.%Y-%m-%d_%H%M",
    ],
)
def test_why_a_system_with_snapshots_did_not_answer_is_told_in_italian(fault: str) -> None:
    italian = told(f"cannot be read: san: {fault}", ITALIAN)
    assert italian.startswith("non si può leggere: san: ")
    assert fault not in italian


def test_the_findings_of_a_bad_volume_are_told_in_italian(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.systems["nas"].taken = {"a": nightly(1), "b": nightly(1)}
    found = [*storage.run(job(HOME)).findings]
    for taken in (
        [],
        nightly(0, 1, 3),
        nightly(0, 4, 5, 6, 7),
        [*nightly(*range(12)), MORNING.replace(year=2027)],
        nightly(*range(3, 10)),
    ):
        storage.systems["san"].taken = {"lun-mail": taken}
        found += storage.run(job(MAIL)).findings
    assert {f.code for f in found} == {
        "in-the-future",
        "many-missing",
        "no-snapshots",
        "not-pruned",
        "some-missing",
        "too-few",
        "too-old",
        "two-volumes",
    }
    assert [f.code for f in found if not translated(f.text)] == []


def test_what_a_server_says_stays_as_it_is() -> None:
    text = "ldap://localhost: the connection was lost (closed by the server); look at its log"
    assert told(text, ITALIAN) == text
    assert (
        told("100 of 200 would go (50 %, limit 10 %)", translations("en")) == "100 of 200 would go (50 %, limit 10 %)"
    )


def test_reasons_that_are_joined_are_told_one_by_one() -> None:
    joined = (
        "fewer than 3 complete runs on record, 102 removals (limit 3); 102 of 675 in the whole run (15 %, limit 5 %)"
    )
    assert told(joined, ITALIAN) == "; ".join(told(part, ITALIAN) for part in joined.split("; "))
    assert "whole run" not in told(joined, ITALIAN)


@pytest.mark.parametrize(
    "config",
    [
        b"subject x\n",
        b"include_sql_query\nname old\n\nstatus closed\n",
        b"include_file /f/docenti\n\ninclude_file /g\n",
        None,
    ],
)
def test_the_findings_of_a_list_in_sympa_are_told_in_italian(config: bytes | None) -> None:
    look = Look(file=b"<html>\n", config=config)
    known = lists.known("docenti", "/f/docenti", look, Rows(), Exclusions(), lambda _: None)
    roster = lists.roster(known, "liste.unimore.it")
    texts = [text for _, _, text in roster.findings] or [f"the target has no such roster: {roster.remedy}"]
    assert [text for text in texts if not translated(text)] == []


def test_how_members_came_is_told_in_italian(tmp_path: Path) -> None:
    campus = Campus(tmp_path)
    campus.people(staff(3, employeeType="PO"), staff(60, first=1000))
    campus.account("gone@unimore.it")
    campus.run(campus.job(stanza()))
    campus.target.manual["docenti"] = {"id-p1000@unimore.it", "id-gone@unimore.it"}
    campus.target.torn, campus.target.writable = {"docenti"}, False
    campus.target.lost["docenti"] = {"id-p1@unimore.it"}
    found = campus.run(campus.job(stanza())).findings
    assert {f.code for f in found} == {"manual", "manual-left", "source-changed", "not-mended"}
    assert [f.code for f in found if not translated(f.text)] == []


@pytest.mark.parametrize("verb", ["suspend", "archive", "delete"])
def test_held_closures_are_translated(verb: str) -> None:
    limit = Limit(verb, amount(0), 0)
    subject = Subject("accounts", 100, limits=(limit,))
    plan = Plan((), (subject,), (Change(Key("accounts", verb, "a"), "", None),))
    assert translated(guard.judge(plan, Whole(), ()).reasons["accounts"])


def test_findings_of_account_expiry_are_translated() -> None:
    told_of = [*findings.counted(Counter(dict.fromkeys(findings.CODES, 2))), findings.ahead({30: 1, 90: 2, 365: 3})]
    told_of += [*findings.paced(1, 2, 200), *findings.freed(1500)]
    assert len(told_of) == len(findings.CODES) + 3
    assert [finding.text for finding in told_of if not translated(finding.text)] == []


def test_doubts_of_account_expiry_are_translated(tmp_path: Path) -> None:
    alumni = Alumni(tmp_path)
    alumni.people([entry(n, date(1999, 1, 1)) for n in range(3)], crowd=0)
    assert translated(accounts(alumni.run()).reason)
    alumni.people([entry(n, None) for n in range(3)], crowd=0)
    assert all(translated(source.reason) for source in alumni.run().sources if source.reason)
    alumni.people(entry(1, date(2026, 1, 1)), entry(2, person=None, status="active"))
    assert all(translated(source.reason) for source in alumni.run().sources if source.reason)


def test_findings_of_digests_are_translated() -> None:
    told_of = [
        *digests.counted(dict.fromkeys(digests.CODES, 3)),
        *digests.released({"a@b.example": 2}, date(2026, 1, 1)),
        *digests.spared(5, 6, amount("10%")),
        *digests.silent(datetime(2026, 1, 1, tzinfo=UTC)),
    ]
    assert len(told_of) == len(digests.CODES) + 3
    assert [f.code for f in told_of if not translated(f.text)] == []


def test_held_digests_are_translated() -> None:
    subject = Subject("l", 60, limits=(Limit("send", amount(20)),))
    plan = Plan((), (subject,), tuple(Change(Key("l", "send", str(n)), "", None) for n in range(25)))
    assert translated(guard.judge(plan, Whole(), ()).reasons["l"])
    assert translated("from before the first digest")
