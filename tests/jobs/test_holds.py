"""Holds, approval, undo, grace, states in doubt: the engine in the words of the contract."""

import shutil
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest

from collima.core import engine
from collima.core.errors import Busy, ConfigError, SourceError, Stopped
from collima.core.quantities import amount, duration
from collima.core.targets import Edit, Mark
from tests.contracts.memory import MemorySession
from tests.jobs.campus import Campus, codes, guarded, person, staff, stanza, subject


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Campus:
    """60 in docenti, 200 in altri, 20 elsewhere; four complete runs on record."""
    campus = Campus(tmp_path_factory.mktemp("settled"))
    campus.people(*everyone())
    campus.settled(JOB, 4)
    return campus


@pytest.fixture
def campus(settled: Campus, tmp_path: Path) -> Campus:
    """Its copy."""
    shutil.copytree(settled.folder, tmp_path, dirs_exist_ok=True)
    return replace(deepcopy(settled), folder=tmp_path)


JOB = Campus(Path("/nowhere")).job(stanza(), stanza("altri", "(employeeType=RU)"))


def everyone(professors: int = 60, others: int = 200) -> list[list[str]]:
    return [
        staff(professors, employeeType="PO"),
        staff(others, first=1000, employeeType="RU"),
        staff(20, first=5000, employeeType="X"),
    ]


def test_removals_wait_while_additions_proceed_and_an_approval_lets_them_go(campus: Campus) -> None:
    campus.people(*everyone(50), staff(2, first=9000, employeeType="PO"))
    result = campus.run(JOB)
    assert (result.state, result.exit_code) == ("held", 3)
    told = subject(result)
    assert told.held == {"add": 0, "remove": 10}
    assert told.applied == {"add": 2, "remove": 0}
    assert told.reason == "10 of 60 would go (16 %, limit 10 %)"
    assert len(campus.members("docenti")) == 62
    approved = campus.run(JOB, approve=(result.fingerprint,))
    assert (approved.state, approved.exit_code) == ("changed", 0)
    assert len(campus.members("docenti")) == 52
    assert campus.run(JOB).state == "in-sync"


def test_one_subjects_fingerprint_approves_it_alone(campus: Campus) -> None:
    campus.people(*everyone(50, 170))
    result = campus.run(JOB)
    assert {s.name: s.held["remove"] for s in result.subjects} == {"docenti": 10, "altri": 30}
    partly = campus.run(JOB, approve=(subject(result).fingerprint,))
    assert (partly.state, partly.exit_code) == ("held", 3)
    assert (subject(partly).applied["remove"], subject(partly, "altri").held["remove"]) == (10, 30)


def test_what_is_newly_held_keeps_waiting(campus: Campus) -> None:
    campus.people(*everyone(50))
    first = campus.run(JOB)
    campus.people(*everyone(40))
    second = campus.run(JOB, approve=(first.fingerprint,))
    assert second.state == "held"
    assert subject(second).applied["remove"] == 10
    assert subject(second).held["remove"] == 10


def test_a_fingerprint_depends_on_nothing_but_what_is_held(campus: Campus) -> None:
    campus.people(*everyone(50))
    first = campus.run(JOB)
    campus.people(*everyone(50), staff(3, first=7000, employeeType="RU"))
    assert campus.run(JOB).fingerprint == first.fingerprint


def test_a_plans_fingerprint_can_be_approved_by_the_run_that_computes_it(campus: Campus) -> None:
    campus.people(*everyone(50))
    planned = campus.plan(JOB)
    assert (planned.state, planned.exit_code) == ("held", 3)
    assert campus.run(JOB, approve=(planned.fingerprint,)).state == "changed"


def test_an_unknown_fingerprint_is_refused_and_nothing_is_done(campus: Campus) -> None:
    campus.people(*everyone(50), staff(2, first=9000, employeeType="PO"))
    known = campus.plan(JOB).fingerprint
    with pytest.raises(ConfigError, match="0000000000000000"):
        campus.run(JOB, approve=(known, "0000000000000000"))
    assert len(campus.members("docenti")) == 60


def test_a_superseded_fingerprint_is_known_for_seven_days(campus: Campus) -> None:
    campus.people(*everyone(50))
    first = campus.run(JOB)
    campus.people(*everyone(40))
    campus.run(JOB)
    campus.pass_days(6.9)
    assert subject(campus.run(JOB, approve=(first.fingerprint,))).applied["remove"] == 10
    campus.people(*everyone(60))
    campus.run(JOB)
    campus.pass_days(7.2)
    with pytest.raises(ConfigError):
        campus.run(JOB, approve=(first.fingerprint,))


def test_a_known_fingerprint_with_nothing_left_ends_by_the_runs_state(campus: Campus) -> None:
    campus.people(*everyone(50))
    first = campus.run(JOB)
    campus.people(*everyone(60))
    result = campus.run(JOB, approve=(first.fingerprint,))
    assert (result.state, result.exit_code) == ("in-sync", 0)


def test_a_hold_that_is_no_longer_wanted_ends_by_itself(campus: Campus) -> None:
    campus.people(*everyone(50))
    campus.run(JOB)
    campus.people(*everyone(60))
    result = campus.run(JOB)
    assert result.self_corrected == ("docenti",)
    assert codes(result, "docenti") == ["self-corrected"]
    assert not codes(campus.run(JOB))


def test_an_approval_ends_when_what_it_approved_is_no_longer_wanted(campus: Campus) -> None:
    campus.people(*everyone(50))
    first = campus.run(JOB)
    campus.people(*everyone(60))
    campus.run(JOB, approve=(first.fingerprint,))
    campus.people(*everyone(50))
    assert campus.run(JOB).state == "held"


def test_an_approval_is_used_up_by_what_it_let_go(campus: Campus) -> None:
    campus.people(*everyone(50))
    campus.run(JOB, approve=(campus.run(JOB).fingerprint,))
    campus.people(*everyone(60))
    campus.run(JOB)
    campus.people(*everyone(50))
    assert campus.run(JOB).state == "held"


def test_a_kill_in_the_middle_needs_no_second_approval(campus: Campus, monkeypatch: pytest.MonkeyPatch) -> None:
    campus.people(*everyone(50))
    fingerprint = campus.run(JOB).fingerprint
    whole = MemorySession.apply

    def stopped(session: MemorySession, edits: list[Edit]):  # type: ignore[no-untyped-def]
        settled = whole(session, edits)
        yield next(settled)
        raise Stopped("stopped by TERM")

    monkeypatch.setattr(MemorySession, "apply", stopped)
    with pytest.raises(Stopped):
        campus.run(JOB, approve=(fingerprint,))
    monkeypatch.undo()
    result = campus.run(JOB)
    assert (result.state, subject(result).applied["remove"]) == ("changed", 9)


def test_an_approval_lapses_after_seven_days(campus: Campus) -> None:
    campus.people(*everyone(50))
    fingerprint = campus.run(JOB).fingerprint
    campus.target.refusing = {f"id-p{n}@unimore.it": "locked" for n in range(50, 60)}
    assert campus.run(JOB, approve=(fingerprint,)).state == "partial"
    campus.pass_days(7.1)
    campus.target.refusing = {}
    assert campus.run(JOB).state == "held"


# ---- sources


def test_a_source_that_shrinks_holds_every_removal_and_its_approval_sets_the_measure(campus: Campus) -> None:
    campus.people(staff(57, employeeType="PO"), staff(190, first=1000, employeeType="RU"))  # 247 of 280
    result = campus.run(JOB)
    assert result.sources[0].verdict == "suspicious"
    assert "usually 280" in result.sources[0].reason
    assert (subject(result).held["remove"], subject(result, "altri").held["remove"]) == (3, 10)
    assert campus.run(JOB).sources[0].verdict == "suspicious"
    assert campus.run(JOB, approve=(result.fingerprint,)).state == "changed"
    assert campus.run(JOB).sources[0].verdict == "complete"


def test_nobody_at_all_is_suspicious_from_the_first_day(tmp_path: Path) -> None:
    campus = Campus(tmp_path)
    campus.people(*everyone())
    campus.run(JOB)
    campus.people(person("x", status="alumn"))
    result = campus.run(JOB)
    assert (result.state, result.sources[0].verdict) == ("held", "suspicious")
    assert len(campus.members("docenti")) == 60


def test_while_little_is_on_record_more_removals_than_small_change_wait(tmp_path: Path) -> None:
    campus = Campus(tmp_path)
    campus.people(*everyone())
    campus.settled(JOB, 1)
    campus.people(*everyone(57, 199))
    result = campus.run(JOB)
    assert {s.name: s.held["remove"] for s in result.subjects} == {"docenti": 3, "altri": 1}
    assert "on record" in subject(result).reason


def test_plans_and_only_are_not_on_record(tmp_path: Path) -> None:
    campus = Campus(tmp_path)
    campus.people(*everyone())
    campus.run(JOB)
    for _ in range(4):
        campus.plan(JOB)
        campus.run(JOB, only=("docenti",))
    campus.people(*everyone(56))
    assert "on record" in subject(campus.run(JOB)).reason


def test_a_failed_source_stops_the_run_before_any_change(campus: Campus) -> None:
    (campus.folder / "people.ldif").write_text("dn: uid=x\nobjectClass inetOrgPerson\n")
    before = campus.members("docenti")
    result = campus.run(JOB)
    assert (result.state, result.exit_code, result.subjects) == ("failed", 1, ())
    assert (result.sources[0].connector, result.sources[0].verdict) == ("people", "incomplete")
    assert campus.members("docenti") == before


def test_a_whole_class_of_people_that_is_all_of_one_list_is_held(campus: Campus) -> None:
    campus.people(staff(200, first=1000, employeeType="RU"), staff(60, employeeType="CHANGED"), staff(20, first=5000))
    result = campus.run(JOB)
    assert result.sources[0].verdict == "complete"
    assert subject(result).held["remove"] == 60
    assert "the filters find nobody" in subject(result).reason


# ---- grace


GRACEFUL = replace(JOB, guard=guarded(grace=duration("2 days")))


def test_grace_removes_only_what_was_absent_in_every_complete_run_of_that_time(campus: Campus) -> None:
    campus.people(*everyone(58))
    first = campus.run(GRACEFUL)
    assert (first.state, subject(first).waiting, subject(first).planned["remove"]) == ("in-sync", 2, ())
    assert subject(first).wanted == 58
    campus.pass_days(1)
    assert subject(campus.run(GRACEFUL)).waiting == 2
    campus.pass_days(1)
    last = campus.run(GRACEFUL)
    assert (last.state, subject(last).waiting, subject(last).applied["remove"]) == ("changed", 0, 2)


def test_who_comes_back_starts_anew(campus: Campus) -> None:
    campus.people(*everyone(58))
    campus.run(GRACEFUL)
    campus.pass_days(1)
    campus.people(*everyone(60))
    campus.run(GRACEFUL)
    campus.pass_days(1)
    campus.people(*everyone(58))
    assert subject(campus.run(GRACEFUL)).waiting == 2


def test_one_run_is_no_proof_of_absence_however_long_ago(campus: Campus) -> None:
    campus.people(*everyone(58))
    assert subject(campus.run(GRACEFUL)).waiting == 2
    campus.pass_days(30)
    assert subject(campus.run(GRACEFUL)).applied["remove"] == 2


def test_plans_do_not_count_for_grace(campus: Campus) -> None:
    campus.people(*everyone(58))
    campus.plan(GRACEFUL)
    campus.pass_days(3)
    assert subject(campus.run(GRACEFUL)).waiting == 2


def test_approval_does_not_skip_grace(campus: Campus) -> None:
    campus.people(*everyone(40))
    held = campus.run(JOB)
    result = campus.run(GRACEFUL, approve=(held.fingerprint,))
    assert (subject(result).waiting, len(campus.members("docenti"))) == (20, 60)


# ---- undo


def test_an_undo_takes_back_what_was_done_and_later_runs_hold_it(campus: Campus) -> None:
    campus.people(*everyone(57))
    run = campus.run(JOB)
    assert len(campus.members("docenti")) == 57
    undone = campus.undo(JOB, run.run)
    assert (undone.state, subject(undone).applied) == ("changed", {"add": 3, "remove": 0})
    assert len(campus.members("docenti")) == 60
    later = campus.run(JOB)
    assert (later.state, subject(later).held["remove"]) == ("held", 3)
    assert subject(later).reason == f"undone by {undone.run}"
    assert campus.run(JOB, approve=(later.fingerprint,)).state == "changed"
    assert campus.run(JOB).state == "in-sync"


def test_what_was_undone_and_is_no_longer_wanted_is_forgotten(campus: Campus) -> None:
    campus.people(*everyone(57))
    campus.undo(JOB, campus.run(JOB).run)
    campus.people(*everyone(60))
    campus.run(JOB)
    campus.people(*everyone(57))
    assert campus.run(JOB).state == "changed"


def test_an_undo_is_guarded_and_approved_by_itself(campus: Campus) -> None:
    campus.people(*everyone(60), staff(20, first=9000, employeeType="PO"))
    run = campus.run(JOB)
    assert len(campus.members("docenti")) == 80
    undone = campus.undo(JOB, run.run)
    assert (undone.state, subject(undone).held) == ("held", {"add": 0, "remove": 20})
    assert campus.run(JOB).state == "in-sync"  # an ordinary run does not end the undo's hold
    with pytest.raises(ConfigError):
        campus.run(JOB, approve=(undone.fingerprint,))
    assert campus.undo(JOB, run.run, approve=(undone.fingerprint,)).state == "changed"
    assert len(campus.members("docenti")) == 60


def test_only_what_is_still_in_effect_is_taken_back(campus: Campus) -> None:
    campus.people(*everyone(57))
    run = campus.run(JOB)
    campus.target.rosters["docenti"].add("id-p58@unimore.it")
    undone = campus.undo(JOB, run.run)
    assert subject(undone).planned["add"] == ("p57@unimore.it", "p59@unimore.it")


def test_an_undo_needs_no_source(campus: Campus) -> None:
    campus.people(*everyone(57))
    run = campus.run(JOB)
    (campus.folder / "people.ldif").unlink()
    assert campus.undo(JOB, run.run).state == "changed"


def test_an_unknown_run_cannot_be_undone(campus: Campus) -> None:
    with pytest.raises(ConfigError, match="there is no run"):
        campus.undo(JOB, "20200101T000000-0000")


# ---- a state in doubt


def test_a_lost_state_removes_nothing_until_a_person_trusts_it(campus: Campus) -> None:
    for file in campus.folder.glob("collima.db*"):
        file.unlink()
    campus.people(*everyone(59), staff(1, first=9000, employeeType="PO"))
    result = campus.run(JOB)
    assert (result.state, codes(result, "")) == ("held", ["state-in-doubt"])
    assert subject(result).held["remove"] == 1
    assert subject(result).applied["add"] == 1
    again = campus.run(JOB, approve=(result.fingerprint,))
    assert (again.state, subject(again).applied["remove"]) == ("held", 0)
    with campus.desk() as desk, campus.target.open() as place:
        engine.accept_state(campus.task(JOB, desk), desk, place, "anna")
    assert campus.run(JOB).state == "changed"


def test_a_state_restored_from_a_backup_is_in_doubt(campus: Campus) -> None:
    with campus.desk():
        pass
    shutil.copy(campus.folder / "collima.db", campus.folder / "backup")
    campus.people(*everyone(59))
    assert campus.run(JOB).state == "changed"
    for file in campus.folder.glob("collima.db*"):
        file.unlink()
    shutil.move(campus.folder / "backup", campus.folder / "collima.db")
    campus.people(*everyone(58))
    result = campus.run(JOB)
    assert (result.state, codes(result, "")) == ("held", ["state-in-doubt"])
    assert "older than its target" in result.findings[0].text


def restored(campus: Campus, runs: int) -> None:
    """The state is as it was before `runs` runs that applied something."""
    shutil.copy(campus.folder / "collima.db", campus.folder / "backup")
    for n in range(runs):
        campus.people(*everyone(59), staff(n + 1, first=9000, employeeType="PO"))
        assert campus.run(JOB).state == "changed"
    for file in campus.folder.glob("collima.db*"):
        file.unlink()
    shutil.move(campus.folder / "backup", campus.folder / "collima.db")


def test_a_state_in_doubt_does_not_come_to_trust_itself_by_running(campus: Campus) -> None:
    restored(campus, 1)
    for n in range(4):  # each applies an addition
        campus.people(*everyone(57), staff(2 + n, first=9000, employeeType="PO"))
        result = campus.run(JOB)
        assert (result.state, codes(result, "")) == ("held", ["state-in-doubt"])
        assert subject(result).applied == {"add": 1, "remove": 0}
    assert {f"p{n}@unimore.it" for n in range(57, 59)} <= set(campus.members("docenti"))


def test_an_undo_that_is_stopped_protects_what_it_put_back(campus: Campus, monkeypatch: pytest.MonkeyPatch) -> None:
    campus.people(*everyone(57))
    run = campus.run(JOB)
    whole = MemorySession.apply

    def stopped(session: MemorySession, edits: list[Edit]):  # type: ignore[no-untyped-def]
        settled = whole(session, edits)
        yield from settled
        raise Stopped("stopped by TERM")

    monkeypatch.setattr(MemorySession, "apply", stopped)
    with pytest.raises(Stopped):
        campus.undo(JOB, run.run)
    monkeypatch.undo()
    assert len(campus.members("docenti")) == 60
    later = campus.run(JOB)
    assert (later.state, subject(later).held["remove"]) == ("held", 3)


def test_what_was_undone_is_not_forgotten_in_a_night_when_its_roster_fails(campus: Campus) -> None:
    campus.people(*everyone(57))
    campus.undo(JOB, campus.run(JOB).run)
    campus.target.faulty["docenti"] = "no rights"
    assert campus.run(JOB).state == "partial"
    campus.target.faulty.clear()
    assert subject(campus.run(JOB)).held["remove"] == 3
    assert subject(campus.run(GRACEFUL)).waiting == 3
    assert subject(campus.run(JOB)).held["remove"] == 3


def test_an_undo_follows_the_run_and_not_todays_target(campus: Campus) -> None:
    campus.people(*everyone(57))
    run = campus.run(JOB)
    with pytest.raises(ConfigError, match="which now is"):
        campus.undo(JOB, run.run, name="another")


def test_an_undo_keeps_to_a_rosters_own_guard(campus: Campus) -> None:
    campus.people(*everyone(57))
    run = campus.run(JOB)
    strict = replace(JOB.rosters[0], guard=guarded(max_additions=amount(1)))
    undone = campus.undo(replace(JOB, rosters=(strict, JOB.rosters[1])), run.run)
    assert (undone.state, subject(undone).held["add"]) == ("held", 3)


def test_a_frozen_day_lets_removals_wait(campus: Campus) -> None:
    campus.people(*everyone(58), staff(1, first=9000, employeeType="PO"))
    with campus.desk() as desk:
        task = replace(campus.task(JOB, desk), frozen=True)
        result = engine.run(task, desk, engine.Order())
    assert (result.state, subject(result).waiting, subject(result).applied) == ("changed", 2, {"add": 1, "remove": 0})
    assert subject(campus.run(JOB)).applied["remove"] == 2


def test_a_target_that_bears_no_mark_any_more_is_not_the_one_that_it_was(campus: Campus) -> None:
    campus.target.left = None
    campus.target.rosters.clear()
    result = campus.run(JOB)
    assert (result.state, campus.members("docenti")) == ("failed", [])
    assert "not mounted" in result.cause


def test_a_change_that_the_target_does_not_answer_for_has_failed(
    campus: Campus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemorySession, "apply", lambda *_: iter(()))
    campus.people(*everyone(57))
    result = campus.run(JOB)
    assert (result.state, result.exit_code) == ("partial", 75)
    assert {f.error for f in subject(result).failed} == {"the target gave no answer"}


def test_a_target_that_cannot_be_read_again_is_told_and_the_run_is_what_it_is(
    campus: Campus, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, reads = MemorySession.read, iter([True, False])

    def read(session: MemorySession, names: list[str]):  # type: ignore[no-untyped-def]
        if next(reads):
            return whole(session, names)
        raise SourceError("the connection was lost")

    monkeypatch.setattr(MemorySession, "read", read)
    campus.people(*everyone(57))
    result = campus.run(JOB)
    assert (result.state, codes(result)) == ("changed", ["not-verified"])


def test_a_first_run_finds_no_mark_and_leaves_one(tmp_path: Path) -> None:
    campus = Campus(tmp_path)
    campus.people(*everyone())
    assert campus.target.left is None
    campus.run(JOB)
    with campus.desk() as desk:
        assert isinstance(campus.target.left, Mark)
        assert desk.journal.look("sympa-lists", "lists").issued(campus.target.left)


# ---- one at a time


def test_two_runs_of_one_job_or_target_never_overlap(campus: Campus) -> None:
    with campus.desk() as desk, desk.journal.begin("sympa-lists", "lists", slot=None, kind="run", config=""):
        with pytest.raises(Busy):
            campus.run(JOB)
        with pytest.raises(Busy):
            campus.run(JOB, name="another")
        assert campus.plan(JOB).state == "in-sync"


def test_a_target_that_is_gone_stops_the_run(campus: Campus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemorySession, "exists", lambda _: False)
    result = campus.run(JOB)
    assert (result.state, result.exit_code) == ("failed", 1)
    assert "not mounted" in result.cause


def test_a_target_that_fails_half_way_gives_what_is_left_its_error(
    campus: Campus, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = MemorySession.apply

    def broken(session: MemorySession, edits: list[Edit]):  # type: ignore[no-untyped-def]
        settled = whole(session, edits)
        yield next(settled)
        raise SourceError("the connection was lost", transient=True)

    monkeypatch.setattr(MemorySession, "apply", broken)
    campus.people(*everyone(57))
    result = campus.run(JOB)
    assert (result.state, result.exit_code, result.transient) == ("partial", 75, True)
    assert len(subject(result).failed) == 2


@pytest.mark.parametrize(("mode", "code"), [("apply", 4), ("watch", 75)])
def test_a_critical_finding_makes_a_transient_failure_partial_unless_it_is_only_watched(
    campus: Campus, monkeypatch: pytest.MonkeyPatch, mode: str, code: int
) -> None:
    whole = MemorySession.apply

    def flaky(session: MemorySession, edits: list[Edit]):  # type: ignore[no-untyped-def]
        first, *rest = whole(session, edits)
        yield replace(first, error="try again", transient=True)
        yield from rest

    monkeypatch.setattr(MemorySession, "apply", flaky)
    campus.target.faulty["altri"] = "no rights"
    campus.people(*everyone(57))
    job = replace(JOB, rosters=(JOB.rosters[0], replace(JOB.rosters[1], mode=mode)))
    assert campus.run(job).exit_code == code


def test_allow_empty_lets_a_roster_run_out(campus: Campus) -> None:
    campus.people(everyone()[1], everyone()[2], staff(60, employeeType="CHANGED"))
    job = replace(JOB, rosters=(replace(JOB.rosters[0], allow_empty=True), JOB.rosters[1]))
    assert campus.run(job).state == "changed"
    assert campus.members("docenti") == []


def test_a_rosters_own_limit_wins_over_the_jobs(campus: Campus) -> None:
    campus.people(*everyone(50))
    generous = replace(JOB.rosters[0], guard=guarded(max_removals=amount("40%")))
    assert campus.run(replace(JOB, rosters=(generous, JOB.rosters[1]))).state == "changed"
