"""What tests of several packages share."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.servers.certificates import authority
from tests.servers.slapd import READER_PASSWORD, Slapd, person, slapd

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")  # whatever else the machine does


@pytest.fixture(scope="session")
def campus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    """A slapd with 1,234 invented people, for tests that only read: more than a page, and than a stranger may see."""
    people = "".join(person(f"p{number:04}", l="Modena" if number % 2 else "Reggio") for number in range(1234))
    with slapd(tmp_path_factory.mktemp("campus") / "slapd", people) as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def _one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Of those that the machine trusts, one is left, that signs nothing here: to read them all takes 25 ms of each
    connection to a MariaDB, in this process and in those that it starts.
    """
    folder = tmp_path_factory.mktemp("trusted")
    authority("Authority that signs nothing").issue(folder)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
        yield


@pytest.fixture(autouse=True)
def _reader_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READER_PASSWORD", READER_PASSWORD)
