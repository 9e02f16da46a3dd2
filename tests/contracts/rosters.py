"""What every target that holds rosters keeps to. A connector's test derives from it and says how to make a place."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import ClassVar, Protocol

import pytest

from collima.core.targets import Edit, Id, Mark, Place, Rosters

ANNA, BRUNO, CARLA = "anna.rossi@unimore.it", "bruno.d'amico@unimore.it", "carla@studenti.unimore.it"


class Target(Protocol):
    """A place for one test: `open` a session on it; fill a roster behind Collima's back; put it out of reach."""

    def open(self) -> AbstractContextManager[Rosters]: ...
    def fill(self, roster: str, addresses: Iterable[str]) -> None: ...


class RostersContract:
    """Derive, and give a fixture `target: Target` with accounts for ANNA, BRUNO and CARLA."""

    keeps_marks: ClassVar[bool] = True

    def ids(self, session: Rosters, *addresses: str) -> frozenset[Id]:
        found = [session.identify(address) for address in addresses]
        assert None not in found
        return frozenset(i for i in found if i is not None)

    def test_case_is_folded(self, target: Target) -> None:
        with target.open() as session:
            assert session.identify(ANNA.upper()) == session.identify(ANNA)

    def test_the_address_of_a_member_means_the_member(self, target: Target) -> None:
        with target.open() as session:
            for member in self.ids(session, ANNA, BRUNO, CARLA):
                assert session.identify(session.address(member)) == member

    @pytest.mark.parametrize(
        "text", ["", "nobody", "a b@unimore.it", "a,b@unimore.it", '"x"@unimore.it', "a@unimore.it\n"]
    )
    def test_what_is_no_address_means_nobody(self, target: Target, text: str) -> None:
        with target.open() as session:
            assert session.identify(text) is None

    def test_every_roster_that_is_asked_for_is_answered(self, target: Target) -> None:
        target.fill("docenti", [ANNA, BRUNO])
        with target.open() as session:
            have = session.read(["docenti", "nuova"])
            assert have["docenti"].members == self.ids(session, ANNA, BRUNO)
            assert have["nuova"].members == frozenset()

    def test_an_edit_gives_one_outcome_for_each_member_and_is_there_when_read_again(self, target: Target) -> None:
        target.fill("docenti", [ANNA, BRUNO])
        with target.open() as session:
            session.read(["docenti"])
            add, remove = self.ids(session, CARLA), self.ids(session, ANNA)
            settled = list(session.apply([Edit("docenti", add, remove)]))
            assert sorted((s.roster, s.member, s.error) for s in settled) == sorted(
                ("docenti", member, "") for member in add | remove
            )
        with target.open() as session:
            assert session.read(["docenti"])["docenti"].members == self.ids(session, BRUNO, CARLA)

    def test_an_edit_done_twice_does_no_harm(self, target: Target) -> None:
        target.fill("docenti", [ANNA])
        for _ in range(2):
            with target.open() as session:
                edit = Edit("docenti", self.ids(session, BRUNO), self.ids(session, ANNA))
                session.read(["docenti"])
                assert not any(s.error for s in session.apply([edit]))
        with target.open() as session:
            assert session.read(["docenti"])["docenti"].members == self.ids(session, BRUNO)

    def test_a_roster_that_is_not_edited_stays(self, target: Target) -> None:
        target.fill("docenti", [ANNA])
        target.fill("tecnici", [BRUNO])
        with target.open() as session:
            session.read(["docenti"])
            list(session.apply([Edit("docenti", self.ids(session, CARLA), frozenset())]))
            assert session.read(["tecnici"])["tecnici"].members == self.ids(session, BRUNO)

    def test_a_mark_is_found_again_where_there_is_room_for_one(self, target: Target) -> None:
        with target.open() as session:
            assert isinstance(session, Place) == self.keeps_marks
            if not isinstance(session, Place):
                return
            assert session.mark() is None
            session.leave_mark(Mark("state-1", "a"))
        with target.open() as session:
            assert isinstance(session, Place)
            assert session.mark() == Mark("state-1", "a")
            session.leave_mark(Mark("state-1", "b"))
            assert session.mark() == Mark("state-1", "b")
