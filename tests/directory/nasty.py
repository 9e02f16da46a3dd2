"""Invented people with the worst values that a directory holds, and random filters about them."""

import unicodedata
from collections.abc import Mapping, Sequence
from random import Random

from collima.directory.filters import (
    And,
    Approx,
    Equal,
    Extensible,
    Filter,
    GreaterOrEqual,
    LessOrEqual,
    Not,
    Or,
    Present,
    Substrings,
)
from tests.servers.slapd import SUFFIX, ldif_record

WORDS = (
    *("Rossi", "rossi", "ROSSI", "De Rossi", "de  rossi", "D'Angelo", "Nicolò", "NICOLÒ", "Nicolo\u0300", "perché"),
    *("Straße", "STRASSE", "ŒUVRE", "Łukasz", "Ørsted", "Ærø", "Ångström", "A\u030angstro\u0308m", "\u212bngström"),
    *("İstanbul", "I\u0307stanbul", "ıspanak", "Σίσυφος", "ΣΊΣΥΦΟΣ", "σίσυφοσ", "Ёлка", "ёлка", "ЁЛКА", "Е\u0308лка"),
    *(
        "ﬁnance",
        "finance",
        "ＦＵＬＬ",
        "ｆｕｌｌ",
        "full",
        "℡ 5",
        "TEL 5",
        "tel 5",
        "№ 3",
        "No 3",
        "²",
        "2",
        "½",
        "㎏",
        "kg",
    ),
    *(
        "山田太郎",
        "山田 太郎",
        "山田\u3000太郎",
        "한국",
        "\u1112\u1161\u11ab\u1100\u116e\u11a8",
        "がく",
        "か\u3099く",
        "ｶﾞｸ",
    ),
    *("a\u00a0b", "a b", "a  b", " a b ", "a\tb", "a\nb", "a\0b", "x\u0344y", "x\u0308\u0301y", "x\u0301\u0308y"),
    *(
        "q\u0323\u0307",
        "q\u0307\u0323",
        "\u1e69",
        "s\u0323\u0307",
        "s\u0307\u0323",
        "\u0301x",
        "ǅungla",
        "ǆungla",
        "Ǆungla",
    ),
    *("\U0001f600 smile", "\U00010400", "\U00010428", "Ⴀ", "Ꭰ", "ꭰ", "Ⅷ", "ⅷ", "Ↄ", "ↄ", "K", "k", "µ", "μ", "ẞ", "ß"),
    *("a*b", "(a)", "a\\b", "\\2a", "*", "a+b,c", '"q"', "#5", "<x>", "=", "é" * 20, "e\u0301" * 20, "\u0130\u0130"),
    *(
        "0",
        "007",
        "12",
        "PO",
        "po",
        "P O",
        "RTD-a",
        "rtd-A",
        "a.b@x.it",
        "A.B@X.IT",
        "\u200b",
        "a\u200bb",
        "a\u00adb",
        "ab",
    ),
    *("क्षि", "Việt", "Việt", "ﷺ", "ﾊﾟ", "パ", "¨", " \u0308", "ϓ", "ʼn", "ŉ", "Ⱥ", "ⱥ", "Ꙁ", "ꙁ", "ᾳ", "ᾼ"),
)
CODES = ("A1", "a1", "A 1", "A  1", " A1", "Ä1", "A\u03081", "é", "É", "b*", "0", "-1", "\u212b", "ａ", "ﬁ", "FI", "fi")
MAILS = (
    *("a.rossi@unimore.it", "A.Rossi@Unimore.IT", "a rossi@x.it", "a  rossi@x.it", "b@x.it ", "c@x.it", "*@x.it"),
    *("o'neil@x.it", "very.long." + "x" * 60 + "@x.it", "(q)@x.it", "root", "a.rossi@unimore.it.example", "@", "a@b@c"),
)
PHONES = (
    "+39 059 205 1",
    "+390592051",
    "059-2051",
    "0592051",
    "+39 (059) 2051",
    "x",
    "X",
    "int. 5",
    "int 5",
    "- -",
    "1 - 2",
)
DATES = (
    *(
        "20240229120000Z",
        "20240229130000+0100",
        "20240229070000-0500",
        "202402291200Z",
        "2024022912Z",
        "20240229120000.0Z",
    ),
    *("20240229120000.5Z", "20240229120000,5Z", "20240229120000.50Z", "20240229120000.05Z", "20231231233000-0100"),
    *("20240101003000Z", "20240101003000+01", "19991231235959Z", "20240301000000+0100", "20240229125959.999Z"),
    *("86991231235959Z", "20240229120030.250Z", "20000229000000Z", "18991231235959Z", "20240229113000-0030"),
)
STRANGE_DATES = ("99991231235959Z", "19991231235960Z", "00000101000000Z", "2024022912.5Z", "202402291200.5Z")
NOT_DATES = (
    "99991231235959-0100",
    "20230229000000Z",
    "20240229120000",
    "2024",
    "20240229250000Z",
    "20240229120000+2400",
    "20240229120000.Z",
    "x",
)
INTEGERS = (
    "0",
    "1",
    "-1",
    "7",
    "10",
    "-10",
    "99",
    "100",
    "123456789012345678901234567890",
    "-123456789012345678901",
    "42",
)
NOT_INTEGERS = ("007", "+1", "-0", "1.0", "", " 1", "1 ", "x", "٣", "²")
NUMERIC = ("12", "1 2", " 12", "012", "0 1 2", "999")
NOTES = ("visto", "x", "*")
LANGUAGES = (";lang-it", ";lang-en", ";lang-it-it", ";lang-en;lang-it")
CLASSES = ("person", "top", "inetOrgPerson", "organizationalPerson", "unimorePerson", "extensibleObject")
OTHER_CLASSES = (
    "2.5.6.6",
    "2.16.840.1.113730.3.2.2",
    "organizationalUnit",
    "nosuchclass",
    "1.2.3.4",
    "2.5.6.0",
    "alias",
    "",
)
DNS = (
    *(f"uid=p{i},ou=people,{SUFFIX}" for i in range(6)),
    f"UID=P1, OU=People,{SUFFIX}",
    f"userid=p2,ou=people,{SUFFIX.upper()}",
    f"0.9.2342.19200300.100.1.1=p3,ou=people,{SUFFIX}",
    f"cn=Nicolò,ou=people,{SUFFIX}",
    f"cn=NICOLO\u0300,ou=people,{SUFFIX}",
    f"cn=De\\20Rossi\\, Anna,ou=people,{SUFFIX}",
    f"cn=De Rossi\\2C  Anna,ou=people,{SUFFIX}",
    f"cn=a+sn=b,{SUFFIX}",
    f"SN=b+cn=A,{SUFFIX}",
    SUFFIX,
)
NOT_DNS = ("x", "uid=", "nosuch=1,dc=it", 'cn="q",dc=it', "cn=#0403,dc=it", "dc=ｆｕｌｌ,dc=it", "uid=a;dc=it", "")

STRINGS = ("cn", "sn", "givenName", "displayName", "employeeType", "departmentNumber", "l", "o", "ou", "st", "title")
RARE_STRINGS = ("initials", "generationQualifier", "pseudonym", "dmdName", "description", "unimoreRole")

POOLS: Mapping[str, Sequence[str]] = {
    **dict.fromkeys((*STRINGS, *RARE_STRINGS, "unimoreDepartment", "unimoreStatus", "schacPersonalUniqueID"), WORDS),
    "unimoreCode": CODES,
    "labeledURI": CODES,
    "mail": MAILS,
    "unimoreMail": MAILS,
    "personalMail": MAILS,
    "telephoneNumber": PHONES,
    "mobile": PHONES,
    "unimoreGraduationDate": DATES,
    "unimoreMatricola": INTEGERS,
    "unimoreFlags": INTEGERS,
    "unimoreActive": ("TRUE", "FALSE"),
    "x121Address": NUMERIC,
    "c": ("IT", "it", "FR", "de"),
    "seeAlso": DNS,
    "manager": DNS,
    "unimoreNote": NOTES,
    "destinationIndicator": ("Modena 1", "modena  1", "REGGIO"),
    "postalAddress": ("Via Vivaldi $ Modena", "via vivaldi$modena", "x"),
    "userPassword": ("segreta",),
    "nastyNumber": NUMERIC,
    "nastyExactMail": MAILS,
    "nastyOctets": CODES,
    "nastyMixture": CODES,
    "nastyRole": CODES,
    "nastyDate": (*DATES, *STRANGE_DATES),
    "nastyCode": CODES,
    "nastyGuess": ("Modena 1", "modena  1", "REGGIO", "a", "B", "c", "Z", "z1", "Z 1"),
}
"""Attributes of the people, and what their values are taken from."""

ODD: Mapping[str, Sequence[str]] = {
    "unimoreGraduationDate": (*NOT_DATES, *STRANGE_DATES),
    "nastyDate": NOT_DATES,
    "unimoreMatricola": NOT_INTEGERS,
    "unimoreFlags": NOT_INTEGERS,
    "unimoreActive": ("true", "yes", "", "TRUE "),
    "seeAlso": NOT_DNS,
    "manager": NOT_DNS,
    "telephoneNumber": ("#1", "é", ""),
    "x121Address": ("1-2", "x", ""),
    "nastyNumber": ("1-2", "x", ""),
    "mail": ("é@x.it", "", " ", "nul\0l@x.it"),
    "unimoreMail": ("é@x.it", "", " "),
}
"""More values for filters: most are none of the attribute's syntax."""

MORE_TYPES = (
    "attributetype ( 1.3.6.1.4.1.99999.2.1 NAME 'nastyNumber' EQUALITY numericStringMatch"
    " ORDERING numericStringOrderingMatch SUBSTR numericStringSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.36 )",
    "attributetype ( 1.3.6.1.4.1.99999.2.2 NAME 'nastyExactMail' EQUALITY caseExactIA5Match"
    " SUBSTR caseExactIA5SubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )",
    "attributetype ( 1.3.6.1.4.1.99999.2.3 NAME 'nastyOctets' EQUALITY octetStringMatch"
    " ORDERING octetStringOrderingMatch SUBSTR octetStringSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )",
    "attributetype ( 1.3.6.1.4.1.99999.2.4 NAME 'nastyMixture' EQUALITY caseExactMatch"
    " ORDERING caseIgnoreOrderingMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )",
    "attributetype ( 1.3.6.1.4.1.99999.2.5 NAME 'nastyRole' SUP destinationIndicator EQUALITY caseExactMatch )",
    "attributetype ( 1.3.6.1.4.1.99999.2.6 NAME 'nastyCode' SUP unimoreCode )",
    "attributetype ( 1.3.6.1.4.1.99999.2.8 NAME 'nastyDate' EQUALITY generalizedTimeMatch"
    " ORDERING generalizedTimeOrderingMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.24 SINGLE-VALUE )",
    "attributetype ( 1.3.6.1.4.1.99999.2.7 NAME ( 'nastyGuess' 'nastyGuessed' ) EQUALITY caseIgnoreMatch"
    " ORDERING caseIgnoreOrderingMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.44 )",
)
"""Lines for the server's configuration: rules that no standard attribute has, and subtypes."""

MORE_INDEXES = (
    "index unimoreMatricola,unimoreFlags,seeAlso,manager eq,pres",
    "index description,displayName,employeeType,departmentNumber,l,ou,title,unimoreCode,telephoneNumber eq,pres,sub",
    "index nastyNumber,nastyExactMail,nastyOctets,nastyMixture,nastyRole,nastyCode,nastyGuess eq,pres,sub",
    "index nastyDate,personalMail,x121Address,destinationIndicator eq",
)
"""More lines: with an index, slapd finds candidates in other ways, which have mistakes of their own."""

SPELLINGS: Mapping[str, Sequence[str]] = {
    "cn": ("commonName", "2.5.4.3", "CN"),
    "sn": ("surname", "2.5.4.4", "Sn"),
    "mail": ("rfc822Mailbox", "0.9.2342.19200300.100.1.3"),
    "l": ("localityName", "2.5.4.7"),
    "unimoreRole": ("1.3.6.1.4.1.99999.1.2", "UNIMOREROLE"),
    "seeAlso": ("2.5.4.34", "distinguishedName"),
}
ORDERED = (
    *("unimoreRole", "unimoreDepartment", "unimoreCode", "unimoreGraduationDate", "unimoreMatricola", "unimoreFlags"),
    *("nastyNumber", "nastyOctets", "nastyCode", "nastyGuess", "2.5.18.1"),
)
LEFT = frozenset(
    {"userPassword", "unimoreNote", "postalAddress", "destinationIndicator", "nastyRole", "nastyMixture", "nastyDate"}
)
"""Hidden, or compared by rules that only the server knows."""
EXTENSIBLE = frozenset(
    {"dmdName", "pseudonym", "c", "generationQualifier", *(name for name in POOLS if "nasty" in name)}
)
"""Borne by an extensibleObject only."""
SINGLE = frozenset(
    {"unimoreMatricola", "unimoreActive", "unimoreStatus", "c", "displayName"}
    | {"unimoreGraduationDate", "nastyDate", "seeAlso", "manager"}
)
"""Attributes that may have one value only, or whose values are too much alike for two."""


def people(rng: Random, count: int) -> str:
    """An LDIF of `count` entries below ou=people, in which every attribute occurs."""
    records = []
    for number in range(count):
        attributes: dict[str, list[str]] = {
            "objectClass": ["inetOrgPerson", "unimorePerson", "extensibleObject"]
            if number % 3 == 0
            else rng.choice((["inetOrgPerson", "unimorePerson"], ["top", "person", "inetOrgPerson", "unimorePerson"])),
            "uid": [f"p{number}"],
            "cn": _values(rng, WORDS, "cn") or ["x"],
            "sn": _values(rng, WORDS, "sn") or ["x"],
        }
        for name, pool in POOLS.items():
            if (name in EXTENSIBLE and number % 3) or name in attributes or rng.random() < 0.5:
                continue
            attributes[name] = _values(rng, pool, name)
        for options in LANGUAGES:
            if rng.random() < 0.1:
                attributes[f"description{options}"] = _values(rng, WORDS, "description")
        if rng.random() < 0.1:
            attributes["cn;lang-it"] = _values(rng, WORDS, "cn")
        records.append(ldif_record(f"uid=p{number},ou=people,{SUFFIX}", {k: v for k, v in attributes.items() if v}))
    return "".join(records)


def _values(rng: Random, pool: Sequence[str], name: str) -> list[str]:
    """One to three that no matching rule takes for one, as far as a rough comparison can tell."""
    values: dict[str, str] = {}
    for _ in range(1 if name in SINGLE else rng.choice((1, 1, 1, 2, 3))):
        value = rng.choice(pool)
        rough = "".join(unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", value).casefold()).split()).strip()
        values.setdefault(rough.replace("-", ""), value)
    return list(values.values())


def random_filter(rng: Random, depth: int = 3) -> Filter:
    kind = rng.random()
    if depth and kind < 0.25:
        operands = tuple(random_filter(rng, depth - 1) for _ in range(rng.choice((0, 1, 2, 2, 3))))
        return And(operands) if rng.random() < 0.5 else Or(operands)
    if depth and kind < 0.4:
        return Not(random_filter(rng, depth - 1))
    return _comparison(rng)


def _comparison(rng: Random) -> Filter:
    special = rng.random()
    if special < 0.08:
        return _equal_or_present(rng, "objectClass", rng.choice((*CLASSES * 3, *OTHER_CLASSES)))
    if special < 0.095:
        return _equal_or_present(rng, rng.choice(("nosuch", "1.2.3.4.5", "cn;nosuch", "cn;binary", "entryDN")), "x")
    operator = rng.random()
    ordering = 0.65 <= operator < 0.85
    name = rng.choice(ORDERED if ordering and rng.random() < 0.9 else (*POOLS, *STRINGS))
    if name in LEFT and rng.random() < 0.7:
        name = rng.choice(STRINGS)
    value = rng.choice((*POOLS.get(name, DATES), *ODD.get(name, ())))
    attribute = _spelled(rng, name)
    if POOLS.get(name) in {WORDS, MAILS, CODES, PHONES} or rng.random() < 0.3:
        value = _mutated(rng, value)
    octets = value.encode() + (b"\xff" if rng.random() < 0.01 else b"")
    if operator < 0.4:
        return Equal(attribute, octets)
    if operator < 0.65:
        return _substrings(rng, attribute, value)
    if ordering:
        return rng.choice((GreaterOrEqual, LessOrEqual))(attribute, octets)
    if operator < 0.98:
        return Present(attribute)
    if operator < 0.99:
        return Approx(attribute, octets)
    return Extensible(attribute, rng.choice(("", "caseExactMatch", "caseIgnoreMatch")), rng.random() < 0.5, octets)


def _equal_or_present(rng: Random, attribute: str, value: str) -> Filter:
    return Equal(attribute, value.encode()) if rng.random() < 0.7 else Present(attribute)


def _spelled(rng: Random, name: str) -> str:
    choice = rng.random()
    if choice < 0.05 and name in STRINGS:
        return rng.choice(("name", "2.5.4.41"))
    if choice < 0.25 and name in SPELLINGS:
        return rng.choice(SPELLINGS[name])
    if choice < 0.5 and name == "description":
        return name + rng.choice((*LANGUAGES, ";LANG-IT", ";lang-", ";lang-it-", ";lang-fr", ";lang-it;lang-en"))
    return rng.choice((name, name, name.upper(), name.lower()))


def _mutated(rng: Random, value: str) -> str:
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        value = rng.choice(
            (
                value.upper(),
                value.lower(),
                value.swapcase(),
                unicodedata.normalize("NFD", value),
                unicodedata.normalize("NFC", value),
                unicodedata.normalize("NFKC", value),
                f" {value}",
                f"{value}  ",
                value.replace(" ", "  "),
                value.replace(" ", ""),
                value + rng.choice(WORDS),
                value[: rng.randrange(len(value) + 1)],
            )
        )
    return value


def _substrings(rng: Random, attribute: str, text: str) -> Filter:
    """Pieces of the value, mostly in their order, so that it often matches."""
    cuts = sorted(rng.randrange(len(text) + 1) for _ in range(rng.choice((1, 2, 2, 3, 4))))
    pieces = [text[a:b] for a, b in zip((0, *cuts), (*cuts, len(text)), strict=True)]
    kept = [piece.encode() for piece in pieces if rng.random() < 0.75]
    if rng.random() < 0.1:
        rng.shuffle(kept)
    initial = kept.pop(0) if kept and rng.random() < 0.5 else b""
    final = kept.pop() if kept and rng.random() < 0.5 else b""
    middle = tuple(piece for piece in kept if piece)
    if not (initial or middle or final):
        return Present(attribute)
    return Substrings(attribute, initial, middle, final)
