"""An invented campus as LDIF (RFC 2849): places and people with all that real directories hold. No one in it exists.

The same arguments give the same bytes on every version of Python. Person number i is the same however many are asked
for, so that a bigger campus is a smaller one with newcomers.

    python examples/campus.py --output examples/campus.ldif
    python examples/campus.py --people 1000000 --output big.ldif --schedule big.yaml
"""

import argparse
import base64
import random
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

SUFFIX = "dc=unimore,dc=it"
PEOPLE, SEED = 720, 1175
SMALL = 5_000  # so many people fill a dozen places; more of them need all 44

T = TypeVar("T")
Pairs = Sequence[tuple[str, str]]


class Place(NamedTuple):
    ou: str
    code: str  # departmentNumber: D departments, C centres, A offices
    town: str
    italian: str
    english: str


_MO, _RE = "Modena", "Reggio Emilia"
_DEPARTMENTS = (
    ("Astronomia e Maree", _MO, "Astronomy and Tides"),
    ("Botanica dell'Aria", _MO, "Botany of the Air"),
    ("Città Invisibili", _RE, "Invisible Cities"),
    ("Diritto dei Fiumi", _MO, "River Law"),
    ("Economia del Dono", _RE, "Economics of Gifts"),
    ("Filologia Lunare", _MO, "Lunar Philology"),
    ("Geometria e Nebbia", _MO, "Geometry and Fog"),
    ("Ingegneria dei Ponti", _RE, "Bridge Engineering"),
    ("Musica e Motori", _MO, "Music and Engines"),
    ("Chimica dell'Aceto", _MO, "Vinegar Chemistry"),
    ("Pedagogia del Gioco", _RE, "Pedagogy of Play"),
    ("Scienze della Pazienza", _RE, "Sciences of Patience"),
    ("Storia del Possibile", _MO, "History of the Possible"),
    ("Veterinaria Fantastica", _RE, "Fantastic Veterinary Science"),
)
_CENTRES = (
    ("Biblioteca Centrale", _MO, "Central Library"),
    ("Servizi Informatici", _MO, "Information Services"),
    ("Qualità d'Ateneo", _RE, "Quality Assurance"),
    ("Centro Linguistico", _MO, "Language Centre"),
    ("Museo degli Strumenti", _MO, "Museum of Instruments"),
    ("Orto Botanico", _MO, "Botanic Garden"),
    ("Osservatorio", _RE, "Observatory"),
    ("Grandi Strumenti", _MO, "Large Instruments"),
    ("Stampa e Rilegatura", _RE, "Print and Binding"),
    ("Radio Campus", _RE, "Campus Radio"),
    ("Laboratorio Acqua", _MO, "Water Laboratory"),
    ("Laboratorio Fuoco", _RE, "Fire Laboratory"),
    ("Calcolo Parallelo", _MO, "Parallel Computing"),
    ("Officina Meccanica", _MO, "Mechanical Workshop"),
    ("Stabulario Draghi", _RE, "Dragon House"),
    ("Serre Sperimentali", _RE, "Experimental Glasshouses"),
    ("Archivio Storico", _MO, "Historical Archive"),
    ("Scuola di Dottorato", _MO, "Graduate School"),
    ("Incubatore", _RE, "Incubator"),
    ("Sport d'Ateneo", _MO, "University Sports"),
    ("Teatro Anatomico", _MO, "Anatomical Theatre"),
    ("Editoria Digitale", _RE, "Digital Publishing"),
    ("Mense e Alloggi", _RE, "Canteens and Housing"),
)
_OFFICES = (
    ("Direzione Generale", _MO, "General Directorate"),
    ("Direzione Didattica", _MO, "Teaching Directorate"),
    ("Direzione Ricerca", _RE, "Research Directorate"),
    ("Direzione Edilizia", _MO, "Buildings Directorate"),
    ("Direzione Personale", _MO, "Staff Directorate"),
    ("Direzione Bilancio", _MO, "Budget Directorate"),
    ("Direzione Legale", _RE, "Legal Directorate"),
)


def places(every: bool) -> list[Place]:
    """All 44: 14 departments, 23 centres, 7 directorates. Or the first dozen: nine departments and three centres."""
    kinds = (
        (("D", _DEPARTMENTS), ("C", _CENTRES), ("A", _OFFICES))
        if every
        else (("D", _DEPARTMENTS[:9]), ("C", _CENTRES[:3]))
    )
    return [
        Place(ou, f"{letter}{number:02}", town, _LONG[letter] + ou, english)
        for letter, some in kinds
        for number, (ou, town, english) in enumerate(some, 1)
    ]


_LONG = {"D": "Dipartimento di ", "C": "Centro di servizio: ", "A": ""}


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


_GIVEN = _names(
    "Ada, Bice, Carla, Dalia, Elsa, Flora, Gilda, Ines, Lia, Mara, Nives, Olga, Pia, Rita, Sara, Tea, Ugo, Vera, Zoe,"
    "Aldo, Bruno, Ciro, Dino, Elio, Fabio, Gino, Ivo, Lino, Marco, Nello, Olmo, Piero, Remo, Silvio, Tito, Walter,"
    "Nicolò, Noè, Niccolò, Zoë, Chloé, José, Søren, Łucja, Jürgen, Aoife, Beyoğlu, Maria Grazia, Gian Luca, Anna Lisa"
)
_SURNAMES = _names(
    "Acquaviva, Barbagli, Cantagallo, Diotallevi, Equini, Fiordalisi, Granturco, Illuminati, Lanternari, Malaspina,"
    "Nebbiosi, Oltremari, Passalacqua, Quattrociocchi, Rondinelli, Sottovento, Tramontani, Ulivieri, Vinciguerra,"
    "Zaffiri, Bevilacqua, Cuordileone, Finocchi, Gambacorta, Malpeli, Nuvolari, Pappagallo, Stradivari, Tagliaferri,"
    "Zappaterra, D'Oltremare, Dell'Orto, De' Bei, Del Sasso, Lo Magro, Montà, Cantù, Noè, Forlà, Sanchò, Müllerin,"
    "Žagarić, O'Breeze, Ñandú, Ångmark, Łąkowska, van der Brug, Saint-Élan, Gößling"
)
_DUTIES = ("delegato alla mobilità", "referente qualità", "tutor", "sicurezza", "biblioteca", "orientamento")
_FAR = ("example.org", "example.com", "example.net")
_SHARE = (  # employeeType, status, of a thousand
    ("STU", "active", 480),
    ("STU", "alumn", 140),
    ("PTA", "active", 100),
    ("PA", "active", 65),
    ("PO", "active", 45),
    ("RTD", "active", 45),
    ("DOTT", "doctorate", 40),
    ("AR", "active", 30),
    ("RU", "active", 25),
    ("PTA", "suspended", 15),
    ("STU", "suspended", 10),
    ("DIR", "active", 5),
)
_BY_THOUSAND = tuple((role, status) for role, status, share in _SHARE for _ in range(share))


def campus(
    people: int = PEOPLE, seed: int = SEED, *, gone: str = "", newcomers: int = 0, all_places: bool = False
) -> Iterator[str]:
    """The lines of the LDIF, record by record.

    `gone`: nobody of the place with this code is there, but its own entry. `newcomers`: so many people more.
    """
    sites = places(every=all_places or people > SMALL)
    yield from map(_record, _frame(sites))
    for codes, pairs in _everybody(people + newcomers, seed, sites):
        if gone not in codes:
            yield _record(pairs)


def _frame(sites: Iterable[Place]) -> Iterator[Pairs]:
    yield (("dn", SUFFIX), *_classes("dcObject", "organization"), ("dc", "unimore"), ("o", "Campus inventato"))
    for unit in ("people", "places", "services"):
        yield (("dn", f"ou={unit},{SUFFIX}"), *_classes("organizationalUnit"), ("ou", unit))
    yield (
        ("dn", f"cn=reader,ou=services,{SUFFIX}"),
        *_classes("organizationalRole", "simpleSecurityObject"),
        ("cn", "reader"),
        ("userPassword", "readerpw"),
    )
    for place in sites:
        yield (
            ("dn", f"ou={place.ou},ou=places,{SUFFIX}"),
            *_classes("organizationalUnit", "unimorePlace"),
            ("ou", place.ou),
            ("departmentNumber", place.code),
            ("l", place.town),
            ("description", place.italian),
            ("description;lang-en", place.english),
        )


def _classes(*names: str) -> Pairs:
    return tuple(("objectClass", name) for name in ("top", *names))


_PERSON = _classes("person", "organizationalPerson", "inetOrgPerson", "unimorePerson")


def _everybody(people: int, seed: int, sites: Sequence[Place]) -> Iterator[tuple[tuple[str, ...], Pairs]]:
    """(the codes of the places, the record) of each person."""
    draw = random.Random(seed).random  # noqa: S311 - to repeat it is the point; no other method promises its sequence
    departments = [place for place in sites if place.code[0] == "D"]
    taken: dict[str, int] = {}
    for number in range(people):
        role, status = _pick(draw, _BY_THOUSAND)
        place = _pick(draw, sites if role in {"PTA", "DIR"} else departments)
        second = _pick(draw, departments)
        given, surname = _pick(draw, _GIVEN), _pick(draw, _SURNAMES)
        chances = [draw() for _ in range(6)]
        codes = (place.code,) if chances[0] > 0.03 or second is place else (place.code, second.code)
        local = f"{_ascii(given)}.{_ascii(surname)}"
        taken[local] = homonym = taken.get(local, 0) + 1
        local += str(homonym) if homonym > 1 else ""
        student = role in {"STU", "DOTT"}
        uid = f"{100_000 + number}" if student else local.replace("'", "")
        addresses = _addresses(role, uid, local, chances)
        pairs = [
            ("dn", f"uid={uid},ou=people,{SUFFIX}"),
            *_PERSON,
            ("uid", uid),
            ("cn", f"{given} {surname}"),
            ("sn", surname),
            ("givenName", given),
            *(("mail", address) for address in addresses[:1]),
            *(("unimoreMail", address) for address in addresses),
            ("employeeType", role),
            *((("employeeType", "PTA"),) if role == "STU" and chances[1] < 0.01 else ()),
            *(("departmentNumber", code) for code in codes),
            *(("unimoreDepartment", code) for code in codes),
            ("l", place.town),
            ("unimoreStatus", status),
            ("unimoreRole", "studente" if role == "STU" else "dottorando" if role == "DOTT" else "personale"),
            *((("unimoreRole", _pick(draw, _DUTIES)),) if (draw() < 0.2) and not student else ()),
            ("unimoreActive", "FALSE" if status == "suspended" else "TRUE"),
            ("unimoreFlags", str(number % 8)),
        ]
        pairs += _by_role(number, role, status, chances)
        pairs += _ODD.get(number, ())
        yield codes, pairs


def _pick(draw: Callable[[], float], some: Sequence[T]) -> T:
    return some[int(draw() * len(some))]


def _addresses(role: str, uid: str, local: str, chances: Sequence[float]) -> list[str]:
    """As the mail service gives them: `<ID>@studenti` to students, doctorates have an alias, a few have none."""
    if role == "STU":
        addresses = [f"{uid}@studenti.unimore.it"]
    elif role == "DOTT":
        addresses = [f"{uid}@studenti.unimore.it", f"{local}@unimore.it"]
    else:
        addresses = [f"{local}@unimore.it"]
        given, _, surname = local.partition(".")
        if chances[2] < 0.2 and given != surname:
            addresses.append(f"{surname}.{given}@unimore.it")
    if chances[3] < 0.03:
        return []
    write = str.title if chances[4] < 0.04 else str.upper if chances[4] < 0.06 else str.lower
    return [write(address) for address in addresses]


def _by_role(number: int, role: str, status: str, chances: Sequence[float]) -> Iterator[tuple[str, str]]:
    if role in {"STU", "DOTT"}:
        yield "unimoreMatricola", str(100_000 + number)
        yield "personalMail", f"persona{number}@{_FAR[number % 3]}"
        if status == "alumn":
            year, month, day = 2019 + number % 8, 1 + number % 12, 1 + number % 28
            yield "unimoreGraduationDate", f"{year}{month:02}{day:02}" + ("120000Z", "1200Z", "130000+0100")[number % 3]
    else:
        yield "telephoneNumber", f"+39 {'059' if number % 2 else '0522'} 000 {number % 10_000:04}"
        yield "unimoreCode", f"{'Ab' if number % 2 else 'aB'}-{number:06}"
        if chances[5] < 0.1:
            yield "description;lang-it", f"Ufficio {number % 90}, ricevimento il lunedì"


_NFD = unicodedata.normalize("NFD", "Nicolò Città")
_ODD: dict[int, Pairs] = {  # by number of the person: what each campus has once
    3: (("displayName", "Bici \N{BICYCLE} & Caffè \N{HOT BEVERAGE}"),),
    5: (("description", "Una biografia molto lunga, " * 12 + "fine."),),
    7: (("description", " comincia e finisce con uno spazio "),),
    11: (("cn", _NFD), ("description", f"{_NFD}: il nome è scritto con accenti staccati")),
    13: (("description", "prima riga\nseconda riga"),),
    17: (("displayName", "\N{CJK UNIFIED IDEOGRAPH-674E} \N{CJK UNIFIED IDEOGRAPH-660E}"),),
    19: (("description;lang-it", "Referente"), ("description;lang-en", "Contact"), ("description", ": due punti")),
    23: (("unimoreNote", "nascosta ai più"), ("unimoreRole", "rettore"), ("unimoreMail", "rettore@unimore.it")),
}
_FOLD = str.maketrans({"ø": "o", "Ø": "o", "ł": "l", "Ł": "l", "ß": "ss", "ğ": "g", "ı": "i", " ": None, "-": None})
_folded: dict[str, str] = {}


def _ascii(name: str) -> str:
    """A name as the local part of an address: no accents, no spaces; an apostrophe stays where it begins a surname."""
    if (folded := _folded.get(name)) is None:
        plain = unicodedata.normalize("NFKD", name.translate(_FOLD)).encode("ascii", "ignore").decode().lower()
        folded = _folded[name] = plain if plain.startswith("o'") else plain.replace("'", "")
    return folded


def _record(pairs: Pairs) -> str:
    return "".join([_line(name, value) for name, value in pairs]) + "\n"


def _line(name: str, value: str) -> str:
    plain = value.isascii() and value[0] not in " :<" and value[-1] != " " and "\n" not in value
    text = f"{name}: {value}" if plain else f"{name}:: {base64.b64encode(value.encode()).decode()}"
    if len(text) <= 76:
        return text + "\n"
    return text[:76] + "\n" + "".join(f" {text[at : at + 75]}\n" for at in range(76, len(text), 75))


def schedule(source: str, var: Path) -> str:
    """A schedules.yaml of 267 rosters for a campus with all places: 44 × 6, and three plain ones.

    `source` is the flow mapping of the connector `people`; lists, mail and state go below `var`.
    """
    return f"""\
version: 1
timezone: Europe/Rome
site: unimore.it
state: sqlite:///{var}/collima.db
reports: {{from: collima@unimore.it, to: [posta@unimore.it], via: mail, language: it}}
connectors:
  people: {source}
  lists: {{kind: list-files, directory: {var}/lists}}
  mail: {{kind: maildir, directory: {var}/mail}}
jobs:
  sympa-lists:
    kind: roster-sync
    when: manual
    source: people
    target: lists
    among: (&(objectClass=unimorePerson)(|(unimoreStatus=active)(unimoreStatus=doctorate)))
    address: unimoreMail
    own-domains: [unimore.it, studenti.unimore.it]
    rosters:
      - name: "{{place.ou}}-{{role.key}}"
        for-each:
          place: (&(objectClass=organizationalUnit)(departmentNumber=*))
          role:
            {{docenti: [PO, PA], ricercatori: [RU, RTD], tecnici: PTA, assegnisti: AR, dottorandi: DOTT, studenti: STU}}
        members: "(&(departmentNumber={{place.departmentNumber}})(employeeType={{role.value}}))"
      - {{name: ordinari, members: (employeeType=PO)}}
      - {{name: dirigenti, members: (employeeType=DIR)}}
      - {{name: tecnici-reggio, members: "(&(l=Reggio Emilia)(employeeType=PTA))"}}
"""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Writes an invented campus as LDIF.")
    parser.add_argument("--people", type=int, default=PEOPLE, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="another number is another campus")
    parser.add_argument("--output", type=Path, help="the file to write (default: standard output)")
    parser.add_argument("--gone", default="", metavar="CODE", help="leave out its people, not the place")
    parser.add_argument("--newcomers", type=int, default=0, help="so many people more")
    parser.add_argument("--all-places", action="store_true", help="44 places also for a small campus")
    parser.add_argument("--schedule", type=Path, help="also write a schedules.yaml with 267 lists of this campus")
    given = parser.parse_args(arguments)
    if given.schedule and not given.output:
        parser.error("--schedule needs --output: the schedule names that file")
    lines = campus(
        given.people,
        given.seed,
        gone=given.gone,
        newcomers=given.newcomers,
        all_places=given.all_places or bool(given.schedule),
    )
    if given.output is None:
        sys.stdout.writelines(lines)
        return
    with given.output.open("w", encoding="ascii", newline="\n") as file:
        file.writelines(lines)
    if given.schedule:
        source = f"{{kind: ldif, file: {given.output.resolve()}}}"
        given.schedule.write_text(schedule(source, given.schedule.resolve().parent / "var"), "utf-8")


if __name__ == "__main__":
    main()
