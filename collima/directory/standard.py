"""A schema for sources that bring none (LDIF): the attributes and classes of RFC 4519, 4524, 2798 and 2307.

What is not listed counts as a directory string that ignores case, with ordering and substrings: an unknown attribute is
one of the house, not a mistake. For the same reason every string here has an ordering, and IA5 strings (mail, dc) are
directory strings: what a file holds was never checked by a server.
"""

from dataclasses import replace

from collima.directory.schema import DIRECTORY_STRING, AttributeType, ObjectClass, Schema

_SYNTAX = "1.3.6.1.4.1.1466.115.121.1."
_KINDS = {
    "string": DIRECTORY_STRING,
    "exact": AttributeType(
        "", (), "", f"{_SYNTAX}15", "caseExactMatch", "caseExactOrderingMatch", "caseExactSubstringsMatch"
    ),
    "phone": AttributeType("", (), "", f"{_SYNTAX}50", "telephoneNumberMatch", "", "telephoneNumberSubstringsMatch"),
    "numeric": AttributeType(
        "", (), "", f"{_SYNTAX}36", "numericStringMatch", "numericStringOrderingMatch", "numericStringSubstringsMatch"
    ),
    "integer": AttributeType("", (), "", f"{_SYNTAX}27", "integerMatch", "integerOrderingMatch"),
    "time": AttributeType("", (), "", f"{_SYNTAX}24", "generalizedTimeMatch", "generalizedTimeOrderingMatch"),
    "dn": AttributeType("", (), "", f"{_SYNTAX}12", "distinguishedNameMatch"),
    "octets": AttributeType(
        "", (), "", f"{_SYNTAX}40", "octetStringMatch", "octetStringOrderingMatch", "octetStringSubstringsMatch"
    ),
    "class": AttributeType("", (), "", f"{_SYNTAX}38", "objectIdentifierMatch"),
}

_ATTRIBUTES = """
class   2.5.4.0   objectClass
dn      2.5.4.49  distinguishedName
dn      2.5.4.1   aliasedObjectName aliasedEntryName
dn      2.5.4.31  member < distinguishedName
dn      2.5.4.32  owner < distinguishedName
dn      2.5.4.33  roleOccupant < distinguishedName
dn      2.5.4.34  seeAlso < distinguishedName
dn      2.5.4.50  uniqueMember
dn      1.2.840.113556.1.2.102 memberOf
string  2.5.4.41  name
string  2.5.4.3   cn commonName < name
string  2.5.4.4   sn surname < name
string  2.5.4.6   c countryName < name
string  2.5.4.7   l localityName < name
string  2.5.4.8   st stateOrProvinceName < name
string  2.5.4.10  o organizationName < name
string  2.5.4.11  ou organizationalUnitName < name
string  2.5.4.12  title < name
string  2.5.4.42  givenName gn < name
string  2.5.4.43  initials < name
string  2.5.4.44  generationQualifier < name
string  2.5.4.65  pseudonym < name
string  2.5.4.5   serialNumber
string  2.5.4.9   street streetAddress
string  2.5.4.13  description
string  2.5.4.15  businessCategory
string  2.5.4.16  postalAddress
string  2.5.4.17  postalCode
string  2.5.4.18  postOfficeBox
string  2.5.4.19  physicalDeliveryOfficeName
phone   2.5.4.20  telephoneNumber
phone   2.5.4.23  facsimileTelephoneNumber fax
numeric 2.5.4.24  x121Address
numeric 2.5.4.25  internationaliSDNNumber
string  2.5.4.26  registeredAddress < postalAddress
string  2.5.4.27  destinationIndicator
octets  2.5.4.35  userPassword
string  2.5.4.46  dnQualifier
string  2.5.4.51  houseIdentifier
string  0.9.2342.19200300.100.1.1  uid userid
string  0.9.2342.19200300.100.1.3  mail rfc822Mailbox
string  0.9.2342.19200300.100.1.4  info
string  0.9.2342.19200300.100.1.5  drink favouriteDrink
string  0.9.2342.19200300.100.1.6  roomNumber
string  0.9.2342.19200300.100.1.8  userClass
string  0.9.2342.19200300.100.1.9  host
dn      0.9.2342.19200300.100.1.10 manager
string  0.9.2342.19200300.100.1.11 documentIdentifier
string  0.9.2342.19200300.100.1.12 documentTitle
string  0.9.2342.19200300.100.1.13 documentVersion
dn      0.9.2342.19200300.100.1.14 documentAuthor
string  0.9.2342.19200300.100.1.15 documentLocation
phone   0.9.2342.19200300.100.1.20 homePhone homeTelephoneNumber
dn      0.9.2342.19200300.100.1.21 secretary
string  0.9.2342.19200300.100.1.25 dc domainComponent
string  0.9.2342.19200300.100.1.37 associatedDomain
dn      0.9.2342.19200300.100.1.38 associatedName
string  0.9.2342.19200300.100.1.39 homePostalAddress
string  0.9.2342.19200300.100.1.40 personalTitle
phone   0.9.2342.19200300.100.1.41 mobile mobileTelephoneNumber
phone   0.9.2342.19200300.100.1.42 pager pagerTelephoneNumber
string  0.9.2342.19200300.100.1.43 co friendlyCountryName
string  0.9.2342.19200300.100.1.44 uniqueIdentifier
string  0.9.2342.19200300.100.1.45 organizationalStatus
string  0.9.2342.19200300.100.1.48 buildingName
octets  0.9.2342.19200300.100.1.60 jpegPhoto
string  2.16.840.1.113730.3.1.1    carLicense
string  2.16.840.1.113730.3.1.2    departmentNumber
string  2.16.840.1.113730.3.1.3    employeeNumber
string  2.16.840.1.113730.3.1.4    employeeType
string  2.16.840.1.113730.3.1.39   preferredLanguage
string  2.16.840.1.113730.3.1.241  displayName
exact   1.3.6.1.4.1.250.1.57       labeledURI
integer 1.3.6.1.1.1.1.0  uidNumber
integer 1.3.6.1.1.1.1.1  gidNumber
string  1.3.6.1.1.1.1.2  gecos
exact   1.3.6.1.1.1.1.3  homeDirectory
exact   1.3.6.1.1.1.1.4  loginShell
exact   1.3.6.1.1.1.1.12 memberUid
time    2.5.18.1 createTimestamp
time    2.5.18.2 modifyTimestamp
dn      2.5.18.3 creatorsName
dn      2.5.18.4 modifiersName
"""

_CLASSES = """
2.5.6.0  top
2.5.6.1  alias < top
2.5.6.2  country < top
2.5.6.3  locality < top
2.5.6.4  organization < top
2.5.6.5  organizationalUnit < top
2.5.6.6  person < top
2.5.6.7  organizationalPerson < person
2.5.6.8  organizationalRole < top
2.5.6.9  groupOfNames < top
2.5.6.10 residentialPerson < person
2.5.6.11 applicationProcess < top
2.5.6.14 device < top
2.5.6.17 groupOfUniqueNames < top
1.3.6.1.4.1.1466.344  dcObject < top
1.3.6.1.1.3.1         uidObject < top
1.3.6.1.4.1.250.3.15  labeledURIObject < top
1.3.6.1.4.1.1466.101.120.111 extensibleObject < top
2.16.840.1.113730.3.2.2      inetOrgPerson < organizationalPerson
0.9.2342.19200300.100.4.5    account < top
0.9.2342.19200300.100.4.6    document < top
0.9.2342.19200300.100.4.7    room < top
0.9.2342.19200300.100.4.9    documentSeries < top
0.9.2342.19200300.100.4.13   domain < top
0.9.2342.19200300.100.4.17   domainRelatedObject < top
0.9.2342.19200300.100.4.18   friendlyCountry < country
0.9.2342.19200300.100.4.19   simpleSecurityObject < top
1.3.6.1.1.1.2.0 posixAccount < top
1.3.6.1.1.1.2.1 shadowAccount < top
1.3.6.1.1.1.2.2 posixGroup < top
"""


def _attribute(line: str) -> AttributeType:
    described, _, above = line.partition(" < ")
    kind, oid, *names = described.split()
    return replace(_KINDS[kind], oid=oid, names=tuple(names), supertype=above)


def _class(line: str) -> ObjectClass:
    described, _, above = line.partition(" < ")
    oid, *names = described.split()
    return ObjectClass(oid, tuple(names), (above,) if above else ())


STANDARD = Schema(
    map(_attribute, _ATTRIBUTES.strip().splitlines()),
    map(_class, _CLASSES.strip().splitlines()),
    exact=True,
    open=True,
)
