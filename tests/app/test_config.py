import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from textwrap import dedent

import pytest

from collima.app.config import Config, Days, Freeze, Invalid, Retry, find, load
from collima.app.config.types import Count
from collima.app.when import When
from collima.core.errors import ConfigError
from collima.core.options import BUILT_IN_GUARD, Address, Person, Secret
from collima.core.quantities import Amount, Duration
from collima.directory import filters
from tests.app.config_samples import SAMPLES, Every, People, Stanza, Sync

GOOD = """\
version: 1
timezone: Europe/Rome
state: sqlite:///var/collima.db
reports: {from: Collima@Example.org, to: posta@example.org, via: mail, language: it, digest: daily at 07:30}
connectors:
  people:
    kind: ldap
    url: [ldaps://one.example.org, ldaps://two.example.org]
    base: dc=example,dc=org
    bind: cn=reader
    password: {file: secrets/ldap}
  lists: {kind: list-files, directory: lists}
  mail: {kind: maildir, directory: /var/mail/collima}
defaults:
  guard: {max-removals: 20%, small-change: 5}
jobs:
  staff:
    kind: roster-sync
    when: daily at 05:30
    source: people
    target: lists
    among: (&(objectClass=person)(status=active))   # everybody
    address: {every: mail}
    guard: {small-change: 7}
    rosters:
      - name: "{place.ou}-{role.key}-{year}"
        for-each:
          place: (ou=*)
          role: {teachers: [PO, PA], others: PTA}
          year: ["2026", "2027"]
        members: (&(ou={place.ou})(employeeType={role.value}))
      - {name: board, members: (l=Modena), also: [a@example.org, {address: b@example.org, until: 2027-06-30, why: RT}]}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "schedules.yaml"
    path.write_text(text, "utf-8")
    return path


@pytest.fixture
def good(tmp_path: Path) -> Config:
    return load(written(tmp_path, GOOD), SAMPLES)


def test_a_good_file_becomes_frozen_options(good: Config, tmp_path: Path) -> None:
    assert good.connector("people").options == People(
        url=("ldaps://one.example.org", "ldaps://two.example.org"),
        base="dc=example,dc=org",
        bind="cn=reader",
        password=Secret(file=tmp_path / "secrets/ldap"),
    )
    job = good.job("staff").options
    assert isinstance(job, Sync)
    assert job.among == filters.parse("(&(objectClass=person)(status=active))")
    assert job.address == Every(every="mail")
    assert job.rosters[0].for_each == {
        "place": filters.parse("(ou=*)"),
        "role": {"teachers": ("PO", "PA"), "others": ("PTA",)},
        "year": ("2026", "2027"),
    }
    assert job.rosters[1] == Stanza(
        name="board",
        members=filters.template("(l=Modena)"),
        also=(Person(Address("a@example.org")), Person(Address("b@example.org"), date(2027, 6, 30), "RT")),
    )


def test_addresses_are_lower_cased_and_one_scalar_stands_for_a_list_of_one(good: Config) -> None:
    assert good.reports is not None
    assert (good.reports.from_, good.reports.to) == ("collima@example.org", ("posta@example.org",))
    assert good.reports.digest == When("daily at 07:30", "30 7 * * *")


def test_paths_are_relative_to_the_file_whatever_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "link").symlink_to("conf")
    written(tmp_path / "conf", GOOD)
    monkeypatch.chdir(tmp_path)

    config = load(Path("link/schedules.yaml"), SAMPLES)

    assert config.path == Path("link/schedules.yaml")
    assert config.state == f"sqlite:///{tmp_path}/link/var/collima.db"
    assert config.connector("lists").options.directory == tmp_path / "link/lists"
    assert config.connector("mail").options.directory == Path("/var/mail/collima")


def test_guards_merge_key_by_key_job_over_defaults_over_what_is_built_in(good: Config) -> None:
    guard = good.job("staff").guard

    assert (guard.max_removals, guard.small_change) == (Amount(2000, percent=True), 7)
    assert guard.max_additions == BUILT_IN_GUARD.max_additions
    assert good.job("staff").options.rosters[1].guard.max_removals is None


def test_what_a_file_leaves_out_has_its_default(good: Config) -> None:
    job = good.job("staff")
    assert (job.mode, job.catch_up, job.retry, job.waits_for, job.runs_on) == (
        "apply",
        Duration(12, "hour"),
        None,
        (),
        (),
    )
    assert (good.workers, good.stop_grace) == (2, Duration(1, "minute"))
    assert (good.keep.changes, good.keep.runs, good.keep.logs) == (
        Duration(400, "day"),
        Duration(2, "year"),
        Duration(30, "day"),
    )
    assert good.notes == ()


def test_the_site_is_the_domain_of_the_reports_unless_it_is_written(good: Config, tmp_path: Path) -> None:
    assert good.site == "example.org"
    assert load(written(tmp_path, GOOD + "site: no\n"), SAMPLES).site == "no"  # text, as in YAML 1.2
    assert load(written(tmp_path, GOOD.replace("reports:", "#")), SAMPLES).site == "localhost"


def test_reserved_keys_of_a_job_win_over_defaults(tmp_path: Path) -> None:
    common = "  retry: {times: 3, every: 10 minutes}\n  catch-up: never\n  freeze: {weekends: true}\n"
    own = (
        "    retry: {times: 1, every: 1 hour}\n    catch-up: 2 days\n    jitter: 5 minutes\n    time-limit: 20 hours\n"
        "    runs-on: mail1\n    mode: watch\n    waits-for: [other]\n"
        "    freeze: {dates: [2026-12-25, 2026-12-31 to 2027-01-06], calendar: holidays.ics}\n"
    )
    text = GOOD.replace("jobs:\n", common + "jobs:\n  other: {kind: snapshot-check, when: manual, volumes: [x]}\n")
    config = load(written(tmp_path, text.replace("    source:", own + "    source:")), SAMPLES)

    other, staff = config.jobs["other"], config.job("staff")
    assert (other.retry, other.catch_up, other.freeze) == (
        Retry(times=Count(3), every=Duration(10, "minute")),
        None,
        Freeze(weekends=True),
    )
    assert (staff.retry, staff.catch_up) == (Retry(times=Count(1), every=Duration(1, "hour")), Duration(2, "day"))
    assert (staff.jitter, staff.time_limit) == (Duration(5, "minute"), Duration(20, "hour"))
    assert (staff.runs_on, staff.mode, staff.waits_for) == (("mail1",), "watch", ("other",))
    assert staff.freeze == Freeze(
        dates=(Days(date(2026, 12, 25), date(2026, 12, 25)), Days(date(2026, 12, 31), date(2027, 1, 6))),
        calendar=tmp_path / "holidays.ics",
    )


def test_kinds_that_are_not_built_yet_are_noted_and_refused_by_a_run(tmp_path: Path) -> None:
    text = GOOD.replace("defaults:", "  sympa: {kind: sympa, robot: 12, host: {a: [b]}}\ndefaults:")
    text += "  snapshots: {kind: snapshot-check, when: manual, volumes: [{in: san}]}\n"
    path = written(tmp_path, text.replace("target: lists", "target: sympa"))

    config = load(path, SAMPLES)

    note = "is not built yet: check accepts it, a run refuses it"
    assert config.notes == (
        f"{path}:14:17: connectors.sympa.kind: the kind sympa {note}",
        f"{path}:34:21: jobs.snapshots.kind: the kind snapshot-check {note}",
    )
    with pytest.raises(ConfigError, match="snapshots is of kind snapshot-check, which is not built yet"):
        config.job("snapshots")
    with pytest.raises(ConfigError, match="sympa is of kind sympa, which is not built yet"):
        config.connector("sympa")


def test_the_guard_of_a_kind_that_is_not_built_yet_may_have_words_of_its_own(tmp_path: Path) -> None:
    text = GOOD + "  copy: {kind: snapshot-check, when: manual, guard: {max-mailboxes-gone: 1%}}\n"

    assert load(written(tmp_path, text), SAMPLES).jobs["copy"].guard.small_change == 5


def test_reserved_keys_are_checked_also_in_kinds_that_are_not_built_yet(tmp_path: Path) -> None:
    path = written(
        tmp_path, GOOD + "  snapshots: {kind: snapshot-check, when: noon, mode: plan, volumes: 2027-02-30}\n"
    )

    with pytest.raises(Invalid) as caught:
        load(path, SAMPLES)

    assert [fault.where for fault in caught.value.faults] == [
        "jobs.snapshots.when",
        "jobs.snapshots.mode",
        "jobs.snapshots.volumes",
    ]


def test_an_unknown_job_is_named_with_what_was_probably_meant(good: Config) -> None:
    with pytest.raises(ConfigError, match=r"has no job 'stuff', did you mean 'staff'\?"):
        good.job("stuff")
    with pytest.raises(ConfigError, match=r"has no connector 'list', did you mean 'lists'\?"):
        good.connector("list")


def test_loading_reads_no_secret(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    os.mkfifo(tmp_path / "secrets/ldap")  # whoever reads it waits for ever

    assert load(written(tmp_path, GOOD + "state-password: {env: NOT_SET}\n"), SAMPLES).state_password == Secret(
        env="NOT_SET"
    )


def test_the_hash_is_that_of_the_bytes(good: Config, tmp_path: Path) -> None:
    same = load(written(tmp_path, GOOD), SAMPLES).hash
    other = load(written(tmp_path, GOOD + "# comment\n"), SAMPLES).hash

    assert good.hash == same != other
    assert len(good.hash) == 64


def test_anchors_aliases_and_merge_keys_share_what_is_written_once(tmp_path: Path) -> None:
    text = GOOD.replace("{max-removals: 20%, small-change: 5}", "&usual {max-removals: 20%, small-change: 5}").replace(
        "guard: {small-change: 7}", "guard: {<<: *usual, small-change: 8}"
    )

    guard = load(written(tmp_path, text), SAMPLES).job("staff").options.guard

    assert (guard.max_removals, guard.small_change) == (Amount(2000, percent=True), 8)


def test_line_ends_of_other_systems_change_nothing(good: Config, tmp_path: Path) -> None:
    path = tmp_path / "schedules.yaml"
    path.write_bytes(GOOD.replace("\n", "\r\n").encode())

    assert load(path, SAMPLES).jobs == good.jobs


def test_a_fault_in_one_stanza_hides_none_between_the_others(tmp_path: Path) -> None:
    stanzas = """\
      - {name: board, members: (l=Reggio}
      - {name: Board, members: (l=Reggio)}
      - {name: board, members: (l=Carpi)}
    """
    path = written(tmp_path, GOOD + dedent(stanzas).replace("- {", "      - {"))

    with pytest.raises(Invalid) as caught:
        load(path, SAMPLES)

    assert [(fault.where, fault.message) for fault in caught.value.faults] == [
        (
            "jobs.staff.rosters[2].members",
            "character 10: a ')' is missing at the end; inside { } a filter with commas or braces goes in quotes",
        ),
        ("jobs.staff.rosters[4].name", "'board' is also the name of rosters[1]"),
    ]


def test_the_file_is_found_by_argument_then_environment_then_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLLIMA_CONFIG", raising=False)
    if not Path("/etc/collima/schedules.yaml").exists():
        with pytest.raises(ConfigError, match="name one with --config FILE"):
            find(None)
    written(tmp_path, "")
    assert find(None) == Path("schedules.yaml")
    monkeypatch.setenv("COLLIMA_CONFIG", "from/environment.yaml")
    assert find(None) == Path("from/environment.yaml")
    assert find("from/argument.yaml") == Path("from/argument.yaml")


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("sqlite:///collima.db", "sqlite:////FOLDER/collima.db"),
        ("sqlite:////var/lib/collima.db", "sqlite:////var/lib/collima.db"),
        ("mysql+pymysql://collima@db.example.org:3307/state", "mysql+pymysql://collima@db.example.org:3307/state"),
        ("mysql+pymysql://collima@[::1]/state?charset=utf8mb4", "mysql+pymysql://collima@[::1]/state?charset=utf8mb4"),
    ],
)
def test_the_state_is_an_sqlite_file_or_a_mysql_database(url: str, read: str, tmp_path: Path) -> None:
    config = load(written(tmp_path, GOOD.replace("sqlite:///var/collima.db", url)), SAMPLES)

    assert config.state == read.replace("/FOLDER", str(tmp_path))


ROOT = Path(__file__).parents[2]


def test_the_embedded_campus_is_a_good_file_of_kinds_that_are_built() -> None:
    assert load(ROOT / "schedules.yaml").notes == ()


def test_the_production_schedule_is_accepted_as_far_as_kinds_exist() -> None:
    config = load(ROOT / "examples/unimore.yaml")

    assert config.job("sympa-lists").options.rosters
    assert all("is not built yet" in note for note in config.notes)


def test_loading_imports_no_client_of_an_outside_system() -> None:
    program = (
        "import sys; from pathlib import Path; from collima.app.config import load\n"
        "load(Path('examples/unimore.yaml'))\n"
        "print(*sys.modules.keys() & {'ldap3', 'googleapiclient', 'pymysql', 'sqlalchemy', 'apscheduler', 'rich'})"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert ended.stdout.split() == []
