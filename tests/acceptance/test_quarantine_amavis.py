"""From a mail that amavisd holds to the click in its digest, and back by amavisd: nothing here is a stand-in."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path

import pytest

from collima.app import wiring
from collima.app.config import load
from collima.core.quarantine import Action, Holder, Item, ItemId
from jobs.quarantine_digest.actions import Actions, Declined
from jobs.quarantine_digest.tokens import Errand
from tests.acceptance.inside import Inside
from tests.acceptance.test_quarantine import SCHEDULE, mails, people, prepared
from tests.connectors.amavis_place import SPAMMER, Place, place
from tests.jobs.held import part, person
from tests.servers.amavis import amavis_here, amavis_server, banned, clean, spam

__all__ = ["amavis_here", "amavis_server", "place"]

ANNA, BRUNO = "anna@unimore.it", "bruno@unimore.it"
AMAVIS = (
    '{{kind: amavis, database: "{url}", database-password: {{env: AMAVIS_PASSWORD}}, release: ["127.0.0.1:{pdp}"]}}'
)
EMBEDDED = "{kind: sqlite-quarantine, file: quarantine.db, released: released, sample: sample.json}"


class Campus(Inside):
    """Two people who asked for digests, behind an amavisd."""

    def later(self, server: Place) -> None:
        """An hour passes for what has just come in: rows are told when they have settled."""
        server.server.query("UPDATE msgs SET time_num = time_num - 3600 WHERE time_num > UNIX_TIMESTAMP() - 1800")

    @contextmanager
    def clicking(self) -> Iterator[Actions]:
        config = load(self.folder / "schedules.yaml")
        with wiring.open_journal(config) as journal:
            job = wiring.task(config, "quarantine-digest", journal).job
            yield Actions(job.options, job.context, wiring.utc_now)

    def errand(self, actions: Actions, mail: EmailMessage, subject: str, deed: str) -> tuple[Holder, ItemId]:
        """What the link of that message says."""
        label = {"release": "rilascia", "allow": "consenti il mittente", "block": "blocca il mittente"}[deed]
        found = re.search(rf"   {subject}\n(?:   .*\n)*?   {label}: \S+/(\S+)", part(mail))
        assert found, part(mail)
        assert actions.options.actions
        said = actions.options.actions.links(actions.context.name).read(found[1], wiring.utc_now())
        assert isinstance(said, Errand)
        assert said.sort == deed
        holder = actions.holder(said.owner)
        assert holder
        return holder, ItemId(said.item)


@pytest.fixture
def campus(tmp_path: Path, place: Place) -> Campus:
    campus = Campus(tmp_path)
    prepared(campus)
    amavis = AMAVIS.format(url=place.server.url, pdp=place.server.pdp)
    campus.write(SCHEDULE.replace(EMBEDDED, amavis))
    people(campus, person("anna"), person("bruno"))
    return campus


def nobody_asks(holder: Holder, item: Item) -> Action:
    raise AssertionError((holder, item))


def test_what_is_held_is_told_released_once_and_told_no_more(campus: Campus, place: Place) -> None:
    place.server.send(SPAMMER, [ANNA, BRUNO], spam(SPAMMER, ANNA, "Hai vinto"))
    place.server.send("ditta@example.org", [ANNA], banned("ditta@example.org", ANNA, "Fattura"))
    place.server.send("carla@example.org", [ANNA], clean("carla@example.org", ANNA, "Pranzo"))
    assert campus.run_job("quarantine-digest").json["state"] == "in-sync"  # nothing has settled yet
    campus.later(place)
    done = campus.run_job("quarantine-digest")
    assert (done.code, done.subject("digests")["send"]) == (0, [ANNA, BRUNO]), done.out + done.err
    (of_anna,), (of_bruno,) = mails(campus)[ANNA], mails(campus)[BRUNO]
    assert "allegato vietato" in part(of_anna)
    assert "Pranzo" not in part(of_anna)
    assert "Fattura" not in part(of_bruno)
    before = place.delivered()
    with campus.clicking() as actions:
        holder, item = campus.errand(actions, of_anna, "Hai vinto", "release")
        for _ in range(3):
            actions.release(holder, item, nobody_asks)
        stranger, _ = campus.errand(actions, of_bruno, "Hai vinto", "release")
        with pytest.raises(Declined, match="gone"):
            actions.release(stranger, item, nobody_asks)
    assert place.delivered() == [*before, ANNA]
    campus.later(place)
    assert campus.run_job("quarantine-digest").json["state"] == "in-sync"


def test_a_block_is_one_persons_and_one_senders_and_so_is_what_is_allowed(campus: Campus, place: Place) -> None:
    place.server.send(SPAMMER, [ANNA, BRUNO], spam(SPAMMER, ANNA, "Hai vinto"))
    campus.later(place)
    campus.run_job("quarantine-digest")
    with campus.clicking() as actions:
        actions.rule(*campus.errand(actions, mails(campus)[BRUNO][0], "Hai vinto", "block"), "block")
        actions.rule(*campus.errand(actions, mails(campus)[ANNA][0], "Hai vinto", "allow"), "allow")
    before = place.delivered()
    place.server.send(SPAMMER, [ANNA, BRUNO], clean(SPAMMER, ANNA, "Una domanda"))
    place.server.send(SPAMMER, [ANNA], spam(SPAMMER, ANNA, "Hai vinto ancora"))
    assert place.delivered() == [*before, ANNA, ANNA]
    campus.later(place)
    assert campus.run_job("quarantine-digest").subject("digests")["send"] == [BRUNO]
    assert "Una domanda" in part(mails(campus)[BRUNO][1])
