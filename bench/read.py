"""One reading over LDAP into a snapshot: `python -m bench.read URL BASE DN PEOPLE` prints its seconds."""

import sys
import time

from bench.clock import Unmeasured
from collima.core.options import Secret
from collima.directory.filters import parse
from collima.directory.ports import Question
from connectors.ldap import Ldap

VARIABLE = "BENCH_LDAP_PASSWORD"
PEOPLE = "(objectClass=unimorePerson)"
ATTRIBUTES = (
    *("uid", "cn", "sn", "givenName", "mail", "unimoreMail", "employeeType", "departmentNumber", "l"),
    *("unimoreStatus", "unimoreRole", "unimoreActive"),
)


def main(url: str, base: str, bind: str, people: str) -> None:
    kind = Ldap(url=(url,), base=base, bind=bind, password=Secret(env=VARIABLE), insecure=True)
    question = Question(among=parse(PEOPLE), filters=(), attributes=ATTRIBUTES)
    start = time.perf_counter()
    with kind.open() as directory:
        found = directory.people(question)
        seconds = time.perf_counter() - start
        if found.size != int(people):
            raise Unmeasured(f"{found.size} people read instead of {people}")
    print(seconds)


if __name__ == "__main__":
    main(*sys.argv[1:])
