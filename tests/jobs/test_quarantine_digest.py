"""One mail each morning with what was held, and never twice: by the ledger, not by the time."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from collima.core.errors import ConfigError
from collima.core.model import Key
from collima.core.options import Secret
from collima.core.quantities import Duration
from collima.core.quarantine import Action
from collima.state.digests import OWNERS, SqlDigests
from collima.state.keys import batches
from jobs.quarantine_digest import compose
from jobs.quarantine_digest.options import Actions
from tests.contracts.memory_accounts import Killed
from tests.jobs.held import NAME, TARGET, URL, VIA, Held, digests, part, person


@pytest.fixture
def held(tmp_path: Path) -> Held:
    found = Held(tmp_path)
    found.people(person("anna", "a.rossi@unimore.it"), person("bruno"), person("carla", asks=False))
    return found


def asked(result: object) -> tuple[str, ...]:
    return tuple(digests(result).planned["send"])  # type: ignore[arg-type]


# ---- what is new


def test_one_mail_tells_of_all_the_addresses_of_a_person(held: Held) -> None:
    held.hold("anna", "a.rossi", "bruno", subject="Uno")
    held.hold("a.rossi", subject="Due")
    result = held.run()
    assert (result.state, result.exit_code) == ("changed", 0)
    assert asked(result) == ("anna@unimore.it", "bruno@unimore.it")
    mails = held.mails()
    (mail,) = mails["anna@unimore.it"]
    assert mail["Subject"] == "Quarantena: 3 messaggi trattenuti (24 novembre 2026)"
    assert part(mail).count("rilascia: https://") == 3
    assert len(mails["bruno@unimore.it"]) == 1


def test_a_second_run_tells_nothing_again(held: Held) -> None:
    held.hold("anna")
    held.run()
    again = held.run()
    assert (again.state, asked(again), len(held.waiting())) == ("in-sync", (), 1)
    held.hold("anna", subject="Nuovo")
    held.run()
    (_, second) = held.mails()["anna@unimore.it"]
    assert "Nuovo" in part(second)
    assert "Buy now" not in part(second)


def test_a_row_that_became_final_late_is_in_the_next_digest(held: Held) -> None:
    held.hold("anna", ago=1)
    held.run()
    held.hold("anna", ago=3, subject="Tardi")  # older than what was told, and not there then
    assert asked(held.run()) == ("anna@unimore.it",)
    assert "Tardi" in part(held.mails()["anna@unimore.it"][1])


def test_the_window_ends_fifteen_minutes_ago_and_begins_with_keep(held: Held) -> None:
    held.hold("anna", ago=0.2, subject="Adesso")
    held.hold("anna", ago=24 * 5 + 1, subject="Purgato")
    assert held.run().state == "in-sync"
    held.pass_hours(0.1)
    held.run()
    (mail,) = held.mails()["anna@unimore.it"]
    assert "Adesso" in part(mail)


def test_an_extension_is_of_whoever_has_the_address_without_it(held: Held) -> None:
    held.people(person("anna"), person("bruno", "anna+lista@unimore.it"))
    held.hold("anna+liste")
    held.hold("anna+lista")
    held.run()
    mails = held.mails()
    assert "per anna+liste@ unimore. it" in part(mails["anna@unimore.it"][0])
    assert "per anna+lista@ unimore. it" in part(mails["bruno@unimore.it"][0])


def test_a_plan_writes_nothing(held: Held) -> None:
    held.hold("anna")
    plan = held.plan()
    assert (plan.state, asked(plan), held.waiting()) == ("planned", ("anna@unimore.it",), [])
    assert asked(held.plan()) == ("anna@unimore.it",)


def test_watching_sends_nothing_and_lists_nothing(held: Held) -> None:
    held.hold("anna")
    assert digests(held.run(held.job(mode="watch"))).planned["send"] == ("anna@unimore.it",)
    assert held.waiting() == []
    assert held.run().state == "changed"


# ---- whose it is


def test_who_is_counted_and_not_told(held: Held) -> None:
    held.people(
        person("anna"),
        person("bruno", "ufficio@unimore.it"),
        person("dario", "ufficio@unimore.it"),
        person("carla", asks=False),
        person("emma", mail=None),
    )
    held.hold("nessuno")
    held.hold("ufficio")
    held.hold("carla")
    result = held.run()
    assert {f.code: f.text.partition(" ")[0] for f in result.findings} == {
        "no-owner": "1",
        "two-owners": "1",
        "not-asked": "1",
        "no-own-address": "1",
    }
    assert held.waiting() == []
    assert "@" not in "".join(f.text for f in result.findings)


def test_a_persons_mail_goes_to_an_address_that_nobody_else_has(held: Held) -> None:
    held.people(
        person("anna", "anna.sola@unimore.it", mail="ufficio@unimore.it"), person("bruno", mail="ufficio@unimore.it")
    )
    held.hold("anna.sola")
    held.run()
    (mail,) = held.mails()["anna.sola@unimore.it"]
    assert "ufficio" not in part(mail)


def test_who_wants_no_digest_gets_none_and_finds_it_all_in_the_next_one(held: Held) -> None:
    held.hold("bruno", subject="Prima")
    held.run()
    with held.journal() as journal:
        journal.digests(NAME, TARGET).turn("bruno@unimore.it", off=True)
    assert held.mails() == {}  # not even what is on its way
    held.hold("bruno", subject="Dopo")
    result = held.run()
    assert (result.state, [f.code for f in result.findings]) == ("in-sync", ["digest-off"])
    with held.journal() as journal:
        journal.digests(NAME, TARGET).turn("bruno@unimore.it", off=False)
    held.run()
    assert "Dopo" in part(held.mails()["bruno@unimore.it"][-1])


def test_an_address_that_moved_to_another_person_is_told_to_them_alone(held: Held) -> None:
    held.hold("a.rossi", subject="Vecchio")
    held.hold("anna", subject="Suo")
    held.run()
    held.people(person("anna"), person("bruno", "a.rossi@unimore.it"))
    held.pass_hours(1)
    held.hold("a.rossi", subject="Nuovo")
    held.run()
    mails = held.mails()
    (of_anna,) = mails["anna@unimore.it"]  # that waited in the outbox
    assert "Suo" in part(of_anna)
    assert "Vecchio" not in part(of_anna)
    assert "Nuovo" in part(mails["bruno@unimore.it"][0])


def test_whoever_leaves_the_directory_may_see_nothing_any_more(held: Held) -> None:
    held.hold("bruno")
    held.run()
    held.people(person("anna"))
    held.pass_hours(1)
    held.run()  # without a single digest
    with held.journal() as journal:
        assert journal.digests(NAME, TARGET).holder("bruno@unimore.it") is None
    assert held.mails() == {}


# ---- as it goes out


def test_what_was_released_or_purged_meanwhile_is_left_out(held: Held) -> None:
    gone, stays = held.hold("anna", subject="Andato"), held.hold("anna", subject="Resta")
    held.run()
    held.quarantine.released.append((gone, "anna@unimore.it"))  # type: ignore[arg-type]
    (mail,) = held.mails()["anna@unimore.it"]
    assert mail["Subject"].startswith("Quarantena: un messaggio trattenuto (")
    assert "Resta" in part(mail)
    assert "Andato" not in part(mail)
    del held.quarantine.all[stays]  # type: ignore[arg-type]
    assert held.mails() == {}
    assert held.run().state == "in-sync"


def test_at_most_so_many_lines_and_the_rest_is_counted(held: Held) -> None:
    for number in range(120):
        held.hold("anna", subject=f"Offerta {number:03}", score=float(number))
    result = held.run(held.job(most=100))
    assert [(f.code, f.text.partition(" ")[0]) for f in result.findings] == [("beyond-most", "20")]
    (mail,) = held.mails(held.job(most=100))["anna@unimore.it"]
    for kind in ("plain", "html"):
        text = part(mail, kind)
        assert text.index("Offerta 000") < text.index("Offerta 001") < text.index("Offerta 099")
        assert "Offerta 100" not in text
        assert "altri 20 messaggi" in text
    assert held.run().state == "in-sync"  # they were told, if only by their number


def test_the_least_spammy_comes_first_and_a_virus_last(held: Held) -> None:
    held.hold("anna", subject="Terzo", score=30.0)
    held.hold("anna", subject="Ultimo", score=0.0, category="virus")
    held.hold("anna", subject="Primo", score=5.1)
    held.hold("anna", subject="Secondo", score=8.0, category="banned")
    held.run()
    text = part(held.mails()["anna@unimore.it"][0])
    assert sorted(("Primo", "Secondo", "Terzo", "Ultimo"), key=text.index) == ["Primo", "Secondo", "Terzo", "Ultimo"]
    assert text.count("chiedi il rilascio: ") == 2  # an attachment and a virus are an administrator's to release


def test_without_actions_a_mail_has_no_link_at_all(held: Held) -> None:
    job = held.job(actions=None)
    held.hold("anna")
    held.run(job)
    (mail,) = held.mails(job)["anna@unimore.it"]
    assert "List-Unsubscribe" not in mail
    assert "://" not in part(mail)
    assert "href" not in part(mail, "html")


# ---- guards


def test_a_first_run_sends_a_day_and_holds_what_is_older(tmp_path: Path) -> None:
    held = Held(tmp_path, fresh=True)
    held.people(person("anna"), person("bruno"))
    held.hold("anna", ago=20, subject="Ieri")
    held.hold("anna", ago=30, subject="Prima")
    held.hold("bruno", ago=60, subject="Prima")
    result = held.run()
    subject = digests(result)
    assert (result.state, result.exit_code, subject.held["send"], subject.applied["send"]) == ("held", 3, 2, 1)
    assert subject.reason == "from before the first digest"
    assert asked(result) == ("anna@unimore.it", "anna@unimore.it (older)", "bruno@unimore.it (older)")
    assert "Prima" not in part(held.mails()["anna@unimore.it"][0])
    held.pass_hours(24)
    held.hold("bruno", ago=23, subject="Nuovo")
    again = held.run()
    assert (again.state, digests(again).applied["send"], digests(again).held["send"]) == ("held", 1, 2)
    approved = held.run(approve=(again.fingerprint,))
    assert (approved.state, digests(approved).applied["send"]) == ("changed", 2)
    assert "prima del primo riepilogo" in part(held.mails()["anna@unimore.it"][1])
    assert held.run().state == "in-sync"


def test_whoever_is_forgotten_is_so_under_both_names_of_their_digests(tmp_path: Path) -> None:
    held = Held(tmp_path, fresh=True)
    held.people(person("anna"))
    held.hold("anna", ago=30)
    held.hold("anna")
    result = held.run()
    with held.journal() as journal:
        assert {row.key.what for row in journal.person("anna@unimore.it").changes} == {"anna@unimore.it"}
        with pytest.raises(ConfigError, match="is open"):
            journal.forget("anna@unimore.it")
    held.run(approve=(result.fingerprint,))
    with held.journal() as journal:
        assert len(journal.person("anna@unimore.it").changes) == 2
        for row in journal.outbox.due(VIA, 10):
            journal.outbox.failed(row, "no such user")
        journal.forget("anna@unimore.it")
        left = journal.person("anna@unimore.it")
        assert (left.changes, left.holds, left.approvals, left.held, left.readers) == ((), (), (), (), ())
        assert {key.what.partition("-")[0] for key in journal.done(result.run)[2]} == {"forgotten"}


def test_a_first_run_without_anything_new_begins_the_ledger_all_the_same(tmp_path: Path) -> None:
    held = Held(tmp_path, fresh=True)
    held.people(person("anna"))
    held.hold("anna", ago=50)
    assert held.run().state == "held"
    held.pass_hours(40)
    held.hold("anna", ago=39, subject="Dopo")
    assert digests(held.run()).applied["send"] == 1


def mornings(held: Held, *counts: int) -> None:
    """So many people get a digest, morning after morning."""
    held.people(*(person(f"p{n}") for n in range(60)))
    for count in counts:
        held.pass_hours(24)
        for n in range(count):
            held.hold(f"p{n}")
        held.run()


def test_more_than_twice_the_usual_is_held_and_its_items_stay_new(held: Held) -> None:
    mornings(held, 10, 9, 11, 25)
    result = held.run()
    subject = digests(result)
    assert (result.state, subject.held["send"], subject.applied["send"]) == ("held", 25, 0)
    assert subject.reason == "25 of 60 would get a digest (41 %, limit 20)"
    assert len(held.waiting()) == 30
    held.pass_hours(24)
    result = held.run(approve=(result.fingerprint,))
    assert digests(result).applied["send"] == 25
    assert held.run().state == "in-sync"


@pytest.mark.parametrize("counts", [(1, 1, 1, 3), (10, 9, 10, 10, 20)])
def test_twice_the_usual_goes_and_so_do_so_few_as_small_change(held: Held, counts: tuple[int, ...]) -> None:
    mornings(held, *counts)
    assert (held.run().state, len(held.waiting())) == ("in-sync", sum(counts))


def test_two_runs_are_no_measure(held: Held) -> None:
    mornings(held, 5, 5, 50)
    assert held.run().state == "in-sync"


# ---- bad days


def test_a_run_that_is_killed_while_listing_loses_and_repeats_nothing(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.people(*(person(f"p{n}") for n in range(600)))
    for n in range(600):
        held.hold(f"p{n}")
    with monkeypatch.context() as patched:
        patched.setattr("collima.state.digests.batches", _killed_after(1))
        with pytest.raises(Killed):
            held.run()
    before = dict(held.waiting())
    assert 0 < len(before) < 600
    held.run()
    after = dict(held.waiting())
    assert before.items() <= after.items()
    assert sorted(to for (to,) in after.values()) == sorted(f"p{n}@unimore.it" for n in range(600))
    assert held.run().state == "in-sync"


def _killed_after(most: int) -> object:
    def killed(items: object, size: int) -> object:
        for number, batch in enumerate(batches(items, size)):  # type: ignore[arg-type,var-annotated]
            if number == most and size == OWNERS:
                raise Killed
            yield batch

    return killed


@pytest.mark.parametrize("phase", ["begin", "know", "list", "count", "forget"])
def test_killed_in_any_phase_the_next_run_goes_on_and_nobody_is_told_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    held = Held(tmp_path, fresh=True)
    held.people(person("anna"), person("bruno"))
    held.hold("anna", "bruno", subject="Nuovo")
    held.hold("anna", ago=40, subject="Prima")

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(SqlDigests, phase, killed)
        with pytest.raises(Killed):
            held.run()
    held.pass_hours(1)
    result = held.run()
    assert (result.state, digests(result).held["send"]) == ("held", 1)
    mails = held.mails()
    assert {to: len(several) for to, several in mails.items()} == {"anna@unimore.it": 1, "bruno@unimore.it": 1}
    assert "Prima" not in part(mails["anna@unimore.it"][0])


def test_an_approval_of_what_is_older_is_no_usual_night(tmp_path: Path) -> None:
    held = Held(tmp_path, fresh=True)
    held.people(person("anna"), person("bruno"))
    for hours in (2, 50):
        held.hold("anna", ago=hours)
    result = held.run()
    held.run(approve=(result.fingerprint,))
    with held.journal() as journal:
        assert list(journal.digests(NAME, TARGET).usual()) == [1]


def test_a_killed_run_and_the_next_give_a_mail_one_message_id(held: Held) -> None:
    held.hold("anna")
    held.hold("anna", subject="Due")
    with held.journal() as journal:
        job = held.bound(journal)
        with job.read() as seen:
            ids = {change.detail.message_id for change in job.plan(seen, held.now).changes}
        held.pass_hours(1)
        with job.read() as seen:
            assert {change.detail.message_id for change in job.plan(seen, held.now).changes} == ids


def people_of(held: Held, count: int, *, asking: int | None = None) -> None:
    asks = count if asking is None else asking
    held.people(*(person(f"p{n}", asks=n < asks) for n in range(count)))


def drop(held: Held) -> None:
    """The relay is back: what has nothing to tell any more is dropped."""
    with held.journal() as journal, held.bound(journal).composing() as compose:
        rows = journal.outbox.due(VIA, 1000)
        for row, content in zip(rows, compose([row.message_id for row in rows]), strict=True):
            if content is None:
                journal.outbox.dropped(row)


def test_many_who_vanish_at_once_are_spared_and_their_mails_go_out(held: Held) -> None:
    people_of(held, 6)
    for n in range(6):
        held.hold(f"p{n}")
    held.run()
    held.pass_hours(24)
    people_of(held, 6, asking=1)
    held.hold("p0")
    for result in (held.run(), held.plan()):  # with a digest, and with none
        found = {f.code: f.text for f in result.findings}
        assert found["people-spared"].startswith("5 of 6 people are not found any more (83 %, limit 10 %)")
    assert sorted(held.mails()) == [f"p{n}@unimore.it" for n in range(6)]
    held.pass_hours(24 * 6)
    held.run()
    assert list(held.mails()) == ["p0@unimore.it"], "whoever stays away for as long as their messages are kept has left"
    assert "people-spared" not in {f.code for f in held.run().findings}


def test_few_who_vanish_have_left(held: Held) -> None:
    people_of(held, 6)
    held.hold("p5")
    held.run()
    held.pass_hours(1)
    people_of(held, 5)
    assert [f.code for f in held.run().findings] == []
    assert held.mails() == {}


def test_what_was_dropped_for_want_of_its_reader_is_told_when_the_directory_is_right_again(held: Held) -> None:
    held.people(person("anna"), person("bruno"))
    held.hold("anna", subject="Uno")
    held.run()
    ((before, _),) = held.waiting()
    held.pass_hours(1)
    held.people(person("anna", asks=False), person("bruno", asks=False))
    held.run()
    drop(held)
    assert held.waiting() == []
    held.people(person("anna"), person("bruno"))
    held.pass_hours(1)
    assert asked(held.run()) == ("anna@unimore.it",)
    ((after, _),) = held.waiting()
    assert after != before, "that mail has had its end"
    (mail,) = held.mails()["anna@unimore.it"]
    assert "Uno" in part(mail)
    assert held.run().state == "in-sync"


def test_what_an_address_held_that_has_become_anothers_is_theirs_with_the_next_digest(held: Held) -> None:
    held.hold("a.rossi", subject="Uno")
    held.hold("anna", subject="Due")
    held.run()
    held.pass_hours(1)
    held.people(person("anna"), person("bruno", "a.rossi@unimore.it"))
    held.run()
    (hers,) = held.mails()["anna@unimore.it"]
    assert ("Uno" in part(hers), "Due" in part(hers)) == (False, True)
    assert asked(held.run()) == ("bruno@unimore.it",)
    assert "Uno" in part(held.mails()["bruno@unimore.it"][0])


def test_what_was_dropped_because_its_reader_wants_no_digest_is_not_told_again(held: Held) -> None:
    held.hold("anna")
    held.run()
    with held.journal() as journal:
        ledger = journal.digests(NAME, TARGET)
        ledger.turn("anna@unimore.it", off=True)
        drop(held)
        ledger.turn("anna@unimore.it", off=False)
    assert held.run().state == "in-sync"


def test_a_quarantine_that_goes_away_in_the_middle_fails_the_run_and_sends_nothing(held: Held) -> None:
    held.quarantine.portion, held.quarantine.gone_after = 1, 1
    held.hold("anna")
    held.hold("bruno")
    result = held.run()
    assert (result.state, result.exit_code, result.transient) == ("failed", 1, True)
    assert held.waiting() == []
    held.quarantine.gone_after = None
    assert len(asked(held.run())) == 2


def test_five_thousand_messages_for_one_person_are_one_mail_of_a_hundred_lines(held: Held) -> None:
    for number in range(5000):
        held.hold("anna", subject=f"Offerta {number}")
    assert asked(held.run()) == ("anna@unimore.it",)
    (mail,) = held.mails()["anna@unimore.it"]
    assert "altri 4900 messaggi" in part(mail)
    assert len(part(mail, "html").encode()) < 100_000  # what is longer some mail programs cut
    assert held.run().state == "in-sync"


def test_undo_tells_that_a_mail_is_not_taken_back(held: Held) -> None:
    held.hold("anna")
    run = held.run().run
    with held.journal() as journal:
        job = held.bound(journal)
        with job.invert(journal.done(run)[2]) as (_, plan):
            assert plan.changes == ()
            assert [f.code for f in plan.findings] == ["no-way-back"]
        assert journal.done(run)[2] == {Key("digests", "send", "anna@unimore.it")}


@pytest.mark.parametrize("most", [1, 2, 3, 1000])
def test_digests_that_go_out_together_are_read_together_up_to_so_many_items(
    held: Held, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    held.people(*(person(f"p{n}") for n in range(6)))
    ids = {n: [held.hold(f"p{n}") for _ in range(1 + n % 2)] for n in range(6)}
    held.run()
    del held.quarantine.all[ids[2][0]]
    monkeypatch.setattr(compose, "ITEMS", most)
    before = held.quarantine.reads
    mails = held.mails()
    assert {to: part(mail).count("rilascia: ") for to, (mail,) in mails.items()} == {
        f"p{n}@unimore.it": 1 + n % 2 for n in range(6) if n != 2
    }
    assert held.quarantine.reads - before == {1: 6, 2: 6, 3: 3, 1000: 1}[most]


def test_a_key_that_is_missing_is_told_before_anything_is_done(held: Held) -> None:
    job = held.job(actions=Actions(url=URL, secret=Secret(file=held.folder / "none")))
    held.hold("anna")
    with pytest.raises(ConfigError, match=r"/none is not there: write it with .*openssl"):
        held.run(job)
    assert held.waiting() == []


def test_the_ledger_forgets_what_the_quarantine_no_longer_keeps(held: Held) -> None:
    held.hold("anna")
    held.run()
    with held.journal() as journal:
        ledger = journal.digests(NAME, TARGET)
        ((message_id, _),) = held.waiting()
        assert ledger.digest(message_id) is not None
        held.now += timedelta(days=7)
        held.quarantine.all.clear()
        result = held.run()
        assert [f.code for f in result.findings] == ["silent"]
        assert ledger.digest(message_id) is not None, "it does not forget all that it knows"
        held.hold("bruno")
        held.run()
        assert ledger.digest(message_id) is None
    assert list(held.mails()) == ["bruno@unimore.it"]


@pytest.mark.parametrize("days", [4, 10])
def test_a_clock_that_is_ahead_for_one_run_has_nothing_told_again(held: Held, days: int) -> None:
    held.hold("anna", subject="Uno", ago=40)
    held.run()
    held.hold("anna", subject="Due")
    held.run()
    before = held.now
    held.pass_hours(24 * days)
    held.run()
    held.now = before + timedelta(hours=1)
    held.run()
    assert [part(mail).count("rilascia: ") for mail in held.mails()["anna@unimore.it"]] == [1, 1]


def test_a_keep_that_is_raised_has_nothing_told_again_without_approval(held: Held) -> None:
    held.hold("anna", subject="Uno")
    held.run()
    for _ in range(10):
        held.pass_hours(24)
        held.hold("bruno")
        held.run()
    count = len(held.waiting())
    raised = held.job(keep=Duration(30, "day"))
    result = held.run(raised)
    assert (result.state, len(held.waiting())) == ("held", count)
    held.run(raised, approve=(result.fingerprint,))
    assert len(held.waiting()) == count + 2


@pytest.mark.parametrize(
    ("sender", "links"),
    [("news@example.org", 3), ("rettore@unimore.it", 1), ("x@ing.unimore.it", 1), ("x@spin-off.example", 1), ("", 1)],
)
def test_a_sender_of_ours_has_no_link_to_allow_or_block_it(held: Held, sender: str, links: int) -> None:
    held.people(person("anna", mail="anna@studenti.example"))
    held.hold("anna@studenti.example", sender=sender)
    job = held.job(own_domains=("spin-off.example",))
    held.run(job)
    (mail,) = held.mails(job)["anna@studenti.example"]
    text = part(mail)
    assert [text.count(f"{word}: https://") for word in ("rilascia", "mittente")] == [1, links - 1]


def test_administrators_learn_what_is_released_most_by_domain(held: Held) -> None:
    with held.journal() as journal:
        ledger = journal.digests(NAME, TARGET)
        for number, sender in enumerate(["a@news.example", "b@news.example", "c@shop.example"]):
            made = Action(
                0, "release", "anna@unimore.it", "anna@unimore.it", f"i{number}", sender, "spam", "done", held.now
            )
            ledger.act(made)
        ledger.act(
            Action(
                0, "request", "anna@unimore.it", "anna@unimore.it", "i9", "d@x.example", "virus", "waiting", held.now
            )
        )
    found = {f.code: f.text for f in held.run().findings}
    assert found["most-released"] == "most released since 2026-10-25: news.example 2, shop.example 1"
    assert found["requests-waiting"].startswith("1 requests")


@pytest.mark.parametrize(
    ("options", "where", "told"),
    [
        ({"addresses": ()}, ("addresses",), "nobody would have an address"),
        ({"addresses": ("mail", "a b")}, ("addresses", 1), "no attribute name"),
        ({"language": "?"}, ("language",), "no attribute name"),
        ({"keep": Duration(10, "minute")}, ("keep",), "less than an hour"),
        ({"keep": Duration(2, "year")}, ("keep",), "longer than a year"),
        ({"most": 0}, ("most",), "at least 1"),
        *(
            ({"actions": Actions(url=url, secret=Secret(env="X"))}, ("actions", "url"), told)
            for url, told in {
                "http://posta.unimore.it/q": "https",
                "posta.unimore.it": "no URL",
                "ftp://posta.unimore.it": "no URL",
                "https://": "no URL",
                "https://[": "no URL",
                "https://posta.unimore.it/q?x=1": "nothing else",
                "https://posta.unimore.it/q q": "nothing else",
            }.items()
        ),
    ],
)
def test_options_that_cannot_be_meant_are_told_with_their_place(
    tmp_path: Path, options: dict[str, object], where: tuple[object, ...], told: str
) -> None:
    ((way, message),) = replace(Held(tmp_path).job(), **options).faults()  # type: ignore[arg-type]
    assert way == where
    assert told in message


def test_plain_http_is_for_this_machine_alone(tmp_path: Path) -> None:
    Held(tmp_path).job(actions=Actions(url="http://localhost:8080", secret=Secret(env="X")))
