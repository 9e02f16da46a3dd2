"""The guard, in the contract's words."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collima.core import guard
from collima.core.guard import Whole, doubt, fingerprint, judge
from collima.core.model import Change, Key, Limit, Plan, Subject
from collima.core.ports import Past
from collima.core.quantities import Amount, amount

TEN, HALF, QUARTER = amount("10%"), amount("50%"), amount("25%")
LIMITS = (Limit("remove", TEN, 3), Limit("add", HALF, 3))
NO_LIMIT = Whole()


def keys(subject: str, verb: str, count: int) -> list[Key]:
    return [Key(subject, verb, f"p{n}@example.org") for n in range(count)]


def plan(*subjects: Subject, changes: Mapping[str, tuple[int, int]]) -> Plan[None]:
    """`changes`: (added, removed) of each subject."""
    wanted = []
    for name, (added, removed) in changes.items():
        wanted += [Change(k, "", None) for k in keys(name, "add", added) + keys(name, "remove", removed)]
    return Plan((), subjects, tuple(wanted))


def roster(name: str = "docenti", size: int = 100, found: int | None = 50, **more: object) -> Subject:
    known: dict[str, object] = {"limits": LIMITS, "first_fill": QUARTER, "everyone": 1000} | more
    return Subject(name, size, found=found, **known)  # type: ignore[arg-type]


def held(
    subject: Subject, added: int = 0, removed: int = 0, whole: Whole = NO_LIMIT, **more: object
) -> tuple[int, int]:
    it = judge(plan(subject, changes={subject.name: (added, removed)}), whole, (), **more)  # type: ignore[arg-type]
    return sum(k.verb == "add" for k in it.keys), sum(k.verb == "remove" for k in it.keys)


@pytest.mark.parametrize(
    ("size", "removed", "waits"),
    [
        (100, 10, False),  # exactly the limit is not more than it
        (100, 11, True),
        (311, 31, False),
        (311, 32, True),
        (20, 3, False),  # small-change: 15 %, but only three
        (20, 4, True),
        (6, 3, False),  # half of the roster is not more than half
        (5, 3, True),  # removals of more than half are never small
        (1, 1, True),
        (2, 1, False),
        (11, 8, True),
    ],
)
def test_removals_beyond_the_percentage_wait_unless_they_are_few(size: int, removed: int, waits: bool) -> None:
    assert held(roster(size=size), removed=removed) == (0, removed if waits else 0)


@pytest.mark.parametrize(("added", "waits"), [(50, False), (51, True)])
def test_additions_beyond_the_percentage_wait(added: int, waits: bool) -> None:
    assert held(roster(size=100), added=added) == (added if waits else 0, 0)


def test_few_additions_never_wait_however_small_the_roster() -> None:
    assert held(roster(size=1), added=3) == (0, 0)
    assert held(roster(size=1), added=4) == (4, 0)


def test_a_count_is_a_limit_without_small_change() -> None:
    subject = roster(limits=(Limit("remove", amount(2), 3),))
    assert held(subject, removed=2) == (0, 0)
    assert held(subject, removed=3) == (0, 3)


def test_additions_proceed_while_removals_wait() -> None:
    assert held(roster(size=311), added=2, removed=43) == (0, 43)


def test_the_reason_says_how_many_of_how_many_and_the_limit() -> None:
    it = judge(plan(roster(size=311), changes={"docenti": (2, 43)}), NO_LIMIT, ())
    assert it.reasons == {"docenti": "43 of 311 would go (13 %, limit 10 %)"}


@pytest.mark.parametrize(("added", "waits"), [(3, False), (250, False), (251, True)])
def test_an_empty_roster_is_judged_by_its_share_of_everyone(added: int, waits: bool) -> None:
    assert held(roster(size=0), added=added) == (added if waits else 0, 0)


def test_first_fill_knows_no_small_change() -> None:
    assert held(roster(size=0, everyone=8), added=3) == (3, 0)


def test_filters_that_find_nobody_hold_every_removal() -> None:
    assert held(roster(size=3, found=0), removed=1) == (0, 1)
    assert held(roster(size=1000, found=0), removed=1) == (0, 1)


def test_allow_empty_lets_them_go_percentages_included() -> None:
    subject = roster(size=100, found=0, allow_empty=True)
    assert held(subject, removed=100, whole=Whole(amount("5%"), TEN, 3)) == (0, 0)


def test_allow_empty_says_nothing_while_somebody_is_found() -> None:
    assert held(roster(size=100, found=1, allow_empty=True), removed=99) == (0, 99)


def test_allow_empty_does_not_trust_a_doubtful_source() -> None:
    subject = roster(size=100, found=0, allow_empty=True)
    it = judge(plan(subject, changes={"docenti": (0, 100)}), NO_LIMIT, ["half of the people are gone"])
    assert len(it.keys) == 100


def test_removals_of_the_whole_run_are_judged_over_all_sizes() -> None:
    rosters = [roster(f"l{n}", size=100) for n in range(10)]
    whole = Whole(amount("5%"), TEN, 3)
    assert not judge(plan(*rosters, changes={f"l{n}": (0, 5) for n in range(10)}), whole, ()).keys
    changes = {f"l{n}": (1, 5) for n in range(10)} | {"l0": (1, 6)}
    it = judge(plan(*rosters, changes=changes), whole, ())
    assert {k.verb for k in it.keys} == {"remove"}
    assert len(it.keys) == 51
    assert "51 of 1000 in the whole run (5 %, limit 5 %)" in it.reasons["l3"]


def test_what_a_roster_holds_counts_in_the_whole_run() -> None:
    rosters = [roster("big", size=100), roster("other", size=100)]
    it = judge(plan(*rosters, changes={"big": (0, 60), "other": (0, 1)}), Whole(amount("20%"), TEN, 3), ())
    assert len(it.keys) == 61


def test_so_few_removals_never_exceed_the_total() -> None:
    assert held(roster(size=30), removed=3, whole=Whole(amount("5%"), TEN, 3)) == (0, 0)
    assert held(roster(size=40), removed=4, whole=Whole(amount("5%"), TEN, 3)) == (0, 4)


def test_watched_rosters_are_judged_and_count_in_no_total() -> None:
    rosters = [roster("shown", size=100, watch=True), roster("other", size=100)]
    it = judge(plan(*rosters, changes={"shown": (0, 90), "other": (0, 4)}), Whole(amount("5%"), TEN, 3), ())
    assert {k.subject for k in it.keys} == {"shown"}


def test_too_little_on_record_holds_more_removals_than_small_change() -> None:
    whole = Whole(amount("50%"), TEN, 3)
    assert held(roster(size=1000), removed=4, added=9, whole=whole, unproven=True) == (0, 4)
    assert held(roster(size=1000), removed=3, whole=whole, unproven=True) == (0, 0)


def test_what_is_approved_is_taken_out_before_the_rest_is_judged() -> None:
    approved = frozenset(keys("docenti", "remove", 43))
    assert held(roster(size=311), removed=43, approved=approved) == (0, 0)
    assert held(roster(size=311), removed=80, approved=approved) == (0, 37)
    assert held(roster(size=311), removed=50, approved=approved) == (0, 0)  # seven more: 2 %


def test_what_was_undone_waits_one_by_one() -> None:
    key = Key("docenti", "add", "p1@example.org")
    it = judge(plan(roster(), changes={"docenti": (3, 0)}), NO_LIMIT, (), undone={key: "20261124T053000-abcd"})
    assert it.keys == {key}
    assert it.reasons["docenti"] == "undone by 20261124T053000-abcd"
    assert not judge(plan(roster(), changes={"docenti": (3, 0)}), NO_LIMIT, (), undone={key: "x"}, approved={key}).keys


@pytest.mark.parametrize(
    ("entries", "past", "suspicious"),
    [
        (0, (), False),  # too little on record to tell: removals are held by another rule
        (50, (100, 100), False),
        (90, (100, 100, 100), False),
        (89, (100, 100, 100), True),
        (89, (100, 100, 100, 50, 50, 50, 50), False),  # the median of seven, not their mean
        (92, (100, 101, 102, 103), False),  # of an even number the mean of the middle two: 101.5
        (91, (100, 101, 102, 103), True),
        (900, (100, 100, 100), False),
    ],
)
def test_a_source_that_shrinks_is_suspicious(entries: int, past: tuple[int, ...], suspicious: bool) -> None:
    assert bool(doubt(entries, Past(past), TEN)) == suspicious


def test_source_drop_can_be_a_count() -> None:
    assert not doubt(90, Past((100, 100, 100)), amount(10))
    assert doubt(89, Past((100, 100, 100)), amount(10)) == "89 entries, usually 100 (11 % fewer, limit 10)"


names = st.text(min_size=0, max_size=8)
some_keys = st.frozensets(st.builds(Key, names, names, names), min_size=1, max_size=8)


@given(some_keys, some_keys)
def test_two_sets_of_changes_have_one_fingerprint_only_if_they_are_one(a: frozenset[Key], b: frozenset[Key]) -> None:
    assert (fingerprint("j", "t", a) == fingerprint("j", "t", b)) == (a == b)
    assert fingerprint("j", "t", a) != fingerprint("jt", "", a)


def test_nothing_has_no_fingerprint() -> None:
    assert fingerprint("j", "t", ()) == ""


@st.composite
def judged(draw: st.DrawFn) -> tuple[Plan[None], Whole, frozenset[Key], bool]:
    subjects, changes = [], {}
    for n in range(draw(st.integers(1, 5))):
        size = draw(st.integers(0, 60))
        found = draw(st.none() | st.integers(0, 60))
        subjects.append(roster(f"l{n}", size, found, allow_empty=draw(st.booleans())))
        changes[f"l{n}"] = (draw(st.integers(0, 70)), draw(st.integers(0, size)))
    drawn = plan(*subjects, changes=changes)
    every = sorted(c.key for c in drawn.changes)
    approved = frozenset(draw(st.sets(st.sampled_from(every))) if every else ())
    total = draw(st.none() | st.builds(Amount, st.integers(0, 10_000), st.just(True)))
    return drawn, Whole(total, TEN, draw(st.integers(0, 5))), approved, draw(st.booleans())


@given(judged())
def test_the_guard_holds_only_what_is_planned_and_never_what_is_approved(
    case: tuple[Plan[None], Whole, frozenset[Key], bool],
) -> None:
    drawn, whole, approved, unproven = case
    it = judge(drawn, whole, (), unproven=unproven, approved=approved)
    assert it.keys <= {c.key for c in drawn.changes} - approved
    assert set(it.reasons) == {k.subject for k in it.keys}


@given(judged())
def test_of_one_subject_and_verb_all_waits_or_nothing(case: tuple[Plan[None], Whole, frozenset[Key], bool]) -> None:
    drawn, whole, approved, unproven = case
    it = judge(drawn, whole, (), unproven=unproven, approved=approved)
    left = [c.key for c in drawn.changes if c.key not in approved]
    for at in {(k.subject, k.verb) for k in left}:
        assert len({k in it.keys for k in left if (k.subject, k.verb) == at}) == 1


@given(judged())
def test_no_roster_loses_more_than_half_unasked(case: tuple[Plan[None], Whole, frozenset[Key], bool]) -> None:
    drawn, whole, _, unproven = case
    it = judge(drawn, whole, (), unproven=unproven)
    for subject in drawn.subjects:
        gone = [c.key for c in drawn.changes if c.key.subject == subject.name and c.key.verb == "remove"]
        if subject.size and 2 * len(gone) > subject.size and not (subject.found == 0 and subject.allow_empty):
            assert set(gone) <= it.keys


@given(judged())
def test_a_doubt_holds_every_removal(case: tuple[Plan[None], Whole, frozenset[Key], bool]) -> None:
    drawn, whole, approved, unproven = case
    it = judge(drawn, whole, ["why"], unproven=unproven, approved=approved)
    assert {c.key for c in drawn.changes if c.key.verb == "remove"} - approved <= it.keys


@given(judged())
def test_approving_everything_that_is_held_leaves_nothing_held(
    case: tuple[Plan[None], Whole, frozenset[Key], bool],
) -> None:
    drawn, whole, approved, unproven = case
    first = judge(drawn, whole, (), unproven=unproven, approved=approved)
    again = judge(drawn, whole, (), unproven=unproven, approved=approved | first.keys)
    assert not again.keys - guard.judge(drawn, whole, (), unproven=unproven, approved=approved).keys
    assert not again.keys


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.integers(0, 10_000))
def test_percentages_are_compared_exactly(count: int, base: int, hundredths: int) -> None:
    assert Amount(hundredths, True).exceeded_by(count, base) == (count * 10_000 > hundredths * base)
