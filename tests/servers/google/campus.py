"""An invented university at Google, of any size: the same one for the same numbers."""

import random
from collections.abc import Sequence

from tests.servers.google.store import PAGE, Clock, Domain


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


GIVEN = _words(
    "Ada Alba Bruno Carla Cesare Dalia Dario Elia Elsa Fausto Flora Gaia Gino Ida Igor Ivo Lea Leo Lia Livio Mara "
    "Marta Mino Nadia Nino Nora Olga Oreste Pia Pino Rita Rocco Sara Silvio Tea Tito Ugo Vera Zeno Zoe"
)
FAMILY = _words(
    "Abeti Acqua Argini Barche Bassi Boschi Brina Campi Canali Cielo Colli Conche Dune Faggi Fiume Foce Fonte Ghiaia "
    "Golena Isola Laghi Larici Lidi Luna Mare Maree Monti Nebbia Neve Olmi Onda Ponti Pozzi Prati Rive Rovere Sabbia "
    "Sale Sassi Selva Spiaggia Stelle Tassi Valle Venti Vigna"
)
GROUPS = _words(
    "tutti laureati dottorandi astronomia botanica citta-invisibili diritto-dei-fiumi economia-del-dono "
    "fisica-delle-nuvole geometria idraulica lettere-perdute mareografia nebbia ornitologia poesia-applicata "
    "scienze-lente"
)


def campus(
    domain: Domain, *, users: int = 600, memberships: int = 1000, groups: Sequence[str] = GROUPS, seed: int = 17
) -> Domain:
    """Fills a domain up to so many accounts, its administrator's included, and its groups with so many members in all.

    The first group has nearly everybody; the others share what is left, the next one most of it. Of a large campus
    every group fills its pages of 200, so that the number of pages is memberships / 200.
    """
    chance = random.Random(seed)
    if users and domain.owner(domain.administrator) is None:
        domain.add_user(domain.administrator, given="Collima", family="Service")
    addresses = []
    for number in range(users - len(domain.users.now)):
        given, family = chance.choice(GIVEN), chance.choice(FAMILY)
        student = domain.add_user(
            f"{given}.{family}{number}@{domain.name}",
            given=given,
            family=family,
            aliases=(f"{number:06}@{domain.name}",) if number % 10 == 0 else (),
            org_unit="/laureati" if number % 4 == 0 else "/studenti",
            used_mb=int(chance.expovariate(1 / 2000)),
        )
        addresses.append(student.address)
    for name in groups:
        domain.add_group(f"{name}@{domain.name}", name=name.replace("-", " ").title())
    for name, size in zip(groups, sizes(len(groups), len(addresses), memberships), strict=True):
        domain.enrol(f"{name}@{domain.name}", *chance.sample(addresses, size))
    return domain


def sizes(groups: int, people: int, memberships: int) -> list[int]:
    """How many members each group has: never more than there are people."""
    unit = PAGE if memberships >= PAGE * 4 * groups else 1
    left, most = memberships // unit, people // unit
    found = []
    for place in range(groups):
        after = groups - place - 1
        share = most if place == 0 else (2 * left) // (after + 2)
        found.append(min(share, most, left) if after else min(left, most))
        left -= found[-1]
    return [size * unit for size in found]


def invented(clock: Clock, *, users: int = 600, memberships: int = 1000) -> Domain:
    return campus(Domain("studenti.acquamorta.example", clock=clock), users=users, memberships=memberships)
