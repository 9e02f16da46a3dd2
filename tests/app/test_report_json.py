"""The object of `run-job --json`, and what the state keeps of a run."""

import json
from dataclasses import replace

import pytest

from collima.app.paste import Commands
from collima.app.result_json import document, restored, stored
from collima.app.terminal import plain_lines
from collima.core.model import Finding
from collima.core.result import Failure, Result, SubjectResult
from tests.app import results


def test_the_object_is_the_one_of_the_contract_key_by_key() -> None:
    told = document(results.held())
    assert list(told) == ["job", "run", "state", "fingerprint", "sources", "subjects", "findings", "seconds"]
    assert told["sources"] == [{"connector": "people", "verdict": "complete", "entries": 43200, "reason": ""}]
    docenti = told["subjects"][0]
    assert list(docenti) == ["name", "size", "wanted", "add", "remove", "held", "mode", "waiting", "applied", "failed"]
    assert docenti["add"] == ["nuovo000@unimore.it", "nuovo001@unimore.it"]
    assert len(docenti["remove"]) == 43
    assert list(docenti["held"].items()) == [
        ("add", 0),
        ("remove", 43),
        ("reason", "43 of 311 would go (13 %, limit 10 %)"),
        ("fingerprint", results.FINGERPRINT),
    ]
    assert docenti["applied"] == {"add": 2, "remove": 0}
    assert [list(finding) for finding in told["findings"]] == [["level", "code", "subject", "text"]]
    assert told["seconds"] == {"read": 1.23, "plan": 0.26, "apply": 4.0}


def test_every_subject_is_listed_and_a_plan_has_no_run() -> None:
    told = document(results.held(run=""))
    assert len(told["subjects"]) == 240
    assert told["run"] == ""
    assert told["subjects"][-1] == {
        "name": "quiet-237",
        "size": 10,
        "wanted": 10,
        "add": [],
        "remove": [],
        "held": {"add": 0, "remove": 0, "reason": "", "fingerprint": ""},
        "mode": "apply",
        "waiting": 0,
        "applied": {"add": 0, "remove": 0},
        "failed": [],
    }


def test_what_failed_is_named() -> None:
    comitato = document(results.partial())["subjects"][1]
    assert comitato["failed"] == [
        {"what": "x001@unimore.it", "error": "x001@unimore.it has left and must not be added"}
    ]


def test_bulk_verbs_give_counts() -> None:
    quarantine = SubjectResult(
        name="quarantine",
        size=90_000,
        wanted=89_000,
        planned={"purge": ("",)},
        held={"purge": 0},
        applied={"purge": 1000},
        weights={"purge": 1000},
        state="changed",
    )
    told = document(replace(results.result("changed", quarantine), verbs=("purge",)))["subjects"][0]
    assert told["purge"] == 1000
    assert told["applied"] == {"purge": 1000}


@pytest.mark.parametrize("result", [results.held(), results.changed(), results.partial(), results.source_failed()])
def test_what_is_kept_of_a_run_holds_nobodys_address(result: Result) -> None:
    named = replace(result, findings=(Finding("warning", "docenti", "expired", "esterno@example.org has expired"),))
    kept = json.dumps(stored(named))
    assert "@unimore.it" not in kept.replace("\\u2026@unimore.it", "")
    assert "esterno@" not in kept


@pytest.mark.parametrize("result", [results.held(), results.changed(), results.partial(), results.source_failed()])
def test_what_is_kept_gives_back_all_but_names(result: Result) -> None:
    again = restored(json.loads(json.dumps(stored(result))))

    def without_names(lines: list[str]) -> list[str]:
        return [line.replace("x001@", "…@") for line in lines if ": + " not in line and ": - " not in line]

    assert without_names(plain_lines(again, Commands())) == without_names(plain_lines(result, Commands()))
    assert stored(again) == stored(result)
    assert (again.state, again.exit_code, again.transient, again.cause) == (
        result.state,
        result.exit_code,
        result.transient,
        result.cause,
    )


def test_what_is_kept_of_a_quiet_night_is_small() -> None:
    night = results.result("in-sync", *results.quiet(267))
    assert len(json.dumps(stored(night))) < 20_000


def test_failures_keep_their_numbers_and_whether_they_pass() -> None:
    failed = (Failure("a@x.it", "busy", True), Failure("b@x.it", "busy", True), Failure("c@x.it", "full"))
    kept = stored(results.result("failed", results.subject("l", 1, failed=failed, state="failed")))
    assert restored(kept).subjects[0].failed == (
        Failure("", "busy", True),
        Failure("", "busy", True),
        Failure("", "full"),
    )
