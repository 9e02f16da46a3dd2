"""Opening, securing and binding: each way that works, and each that must not."""

import socket
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from collima.core.errors import CollimaError, ConfigError, SourceError
from collima.core.options import Secret
from collima.core.quantities import Duration
from collima.directory.filters import parse
from connectors.ldap import Ldap
from tests.connectors.ldap_kinds import at_once, ldap, reader
from tests.servers.certificates import authority
from tests.servers.liar import liar
from tests.servers.slapd import READER, SUFFIX, Slapd, slapd

EVERYBODY = parse("(objectClass=unimorePerson)")


def count(kind: Ldap) -> int:
    with kind.open(sleep=at_once) as directory:
        return len(directory.entries(EVERYBODY, ["uid"]))


def failure(kind: Ldap) -> CollimaError:
    with pytest.raises(CollimaError) as caught:
        count(kind)
    return caught.value


def test_ldaps_with_a_simple_bind_reads_everybody(campus: Slapd) -> None:
    assert count(reader(campus)) == 1234


def test_starttls_secures_a_plain_connection_before_the_password_is_sent(campus: Slapd) -> None:
    assert count(reader(campus, url=campus.url, start_tls=True)) == 1234


def test_plain_ldap_with_a_password_works_where_the_file_says_insecure(campus: Slapd) -> None:
    assert count(reader(campus, url=campus.url, ca_file=None, insecure=True)) == 1234


def test_ldapi_without_bind_is_sasl_external_with_the_rights_of_that_user(campus: Slapd) -> None:
    with ldap(campus.ldapi).open() as directory:
        assert len(directory.entries(EVERYBODY, ["uid"])) == 1234
        assert "SASL EXTERNAL" in directory.check()


def test_ldapi_with_bind_is_a_simple_bind(campus: Slapd) -> None:
    assert count(reader(campus, url=campus.ldapi, ca_file=None)) == 1234


def test_a_wrong_password_is_refused_once_and_told_without_it(campus: Slapd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READER_PASSWORD", "wrong-9d1c")
    error = failure(reader(campus, url=(campus.ldaps, campus.ldaps)))
    assert isinstance(error, SourceError)
    assert not error.transient
    assert "invalidCredentials (49)" in str(error)
    assert READER in str(error)
    assert "9d1c" not in str(error)


def test_a_certificate_of_an_unknown_authority_is_not_trusted(campus: Slapd, tmp_path: Path) -> None:
    authority("nobody's").issue(tmp_path)
    error = failure(reader(campus, ca_file=tmp_path / "ca.pem"))
    assert isinstance(error, SourceError)
    assert "certificate is not trusted" in str(error)
    assert "`ca-file`" in str(error)


def test_without_ca_file_the_authorities_of_the_system_are_asked(campus: Slapd) -> None:
    assert "certificate is not trusted" in str(failure(reader(campus, ca_file=None)))


def test_a_certificate_for_another_name_is_not_taken(campus: Slapd) -> None:
    authority().issue(campus.folder, ["ldap.example.org"])
    campus.stop()
    campus.start()
    try:
        assert "for another name" in str(failure(reader(campus)))
        assert "for another name" in str(failure(reader(campus, url=campus.url, start_tls=True)))
        assert count(reader(campus, insecure=True)) == 1234
    finally:
        authority().issue(campus.folder)
        campus.stop()
        campus.start()


def test_a_server_without_tls_is_told_apart(campus: Slapd) -> None:
    plain = campus.url.replace("ldap:", "ldaps:")
    assert "TLS failed" in str(failure(reader(campus, url=plain)))


def test_starttls_that_the_server_refuses_sends_no_password() -> None:
    with liar({}) as server:
        error = failure(ldap(server.url, start_tls=True, bind=READER, password=Secret(env="READER_PASSWORD")))
    assert "StartTLS" in str(error) or "not LDAP" in str(error) or "no connection" in str(error)
    assert not server.binds


@pytest.mark.parametrize(
    "dead", ["ldap://127.0.0.1:1", "ldaps://127.0.0.1:1", "ldap://nosuch.invalid", "ldapi://%2Fno"]
)
def test_the_next_server_is_asked_when_one_does_not_answer(campus: Slapd, dead: str) -> None:
    with ldap((dead, campus.ldapi)).open() as directory:
        assert len(directory.entries(EVERYBODY, ["uid"])) == 1234


def test_a_server_that_is_silent_while_binding_is_given_up(campus: Slapd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ldap://127.0.0.1:{silent.getsockname()[1]}"
        assert count(ldap((url, campus.ldapi), timeout=Duration(1, "second"))) == 1234


def test_when_no_server_answers_each_is_named_with_its_reason() -> None:
    pauses: list[float] = []
    kind = ldap(("ldap://127.0.0.1:1", "ldap://nosuch.invalid"))
    with pytest.raises(SourceError) as caught, kind.open(sleep=pauses.append):
        pass
    assert caught.value.transient
    assert "127.0.0.1:1: connection refused" in str(caught.value)
    assert "nosuch.invalid: its name cannot be resolved" in str(caught.value)
    assert len(pauses) == 2  # three attempts, and no more


def test_what_is_no_ldap_server_is_told(campus: Slapd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as web:
        port = web.getsockname()[1]
        kind = ldap(f"ldap://127.0.0.1:{port}", timeout=Duration(1, "second"))
        assert isinstance(failure(kind), SourceError)


def test_an_anonymous_bind_that_is_refused_says_so(tmp_path: Path) -> None:
    with slapd(tmp_path / "slapd", "", settings=["disallow bind_anon"]) as server:
        assert "refused to bind anonymous" in str(failure(ldap(server.url)))


PASSWORD: dict[str, Any] = {"bind": READER, "password": Secret(env="READER_PASSWORD")}
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no server": ({"url": ()}, "url: name at least one"),
    "unknown scheme": ({"url": ("http://x",)}, "url: 'http://x' begins with none of"),
    "no scheme": ({"url": ("ldap.example.org",)}, "begins with none of"),
    "no host": ({"url": ("ldaps://",)}, "names no host"),
    "bad port": ({"url": ("ldap://x:port",)}, "url: 'ldap://x:port'"),
    "account in the url": ({"url": ("ldap://me:pw@x",)}, "belongs into `bind`"),
    "base in the url": ({"url": ("ldap://x/dc=it",)}, "belongs into `base`"),
    "bind without password": ({"url": ("ldaps://x",), "bind": READER}, "go together"),
    "password without bind": ({"url": ("ldaps://x",), "password": Secret(env="X")}, "go together"),
    "password in the clear": ({"url": ("ldap://x",), **PASSWORD}, "sent unencrypted"),
    "one of two in the clear": ({"url": ("ldaps://x", "ldap://y"), **PASSWORD}, "sent unencrypted"),
    "starttls without ldap": ({"url": ("ldaps://x",), "start_tls": True}, "secures ldap:// only"),
    "no time at all": ({"url": ("ldaps://x",), "timeout": Duration(0, "second")}, "1 second or more"),
    "no entries on a page": ({"url": ("ldaps://x",), "page_size": 0}, "page-size"),
    "verify less than none": ({"url": ("ldaps://x",), "verify": -1}, "verify"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_options_is_told_with_its_cure(fault: str) -> None:
    options, told = FAULTS[fault]
    with pytest.raises(ConfigError) as caught:
        Ldap(**{"base": SUFFIX, **options})
    assert told in str(caught.value)
    assert ":pw@" not in str(caught.value)


def test_a_ca_file_that_cannot_be_used_is_an_error_in_the_file(campus: Slapd, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    for path in (empty, tmp_path / "missing.pem"):
        error = failure(reader(campus, ca_file=path))
        assert isinstance(error, ConfigError)
        assert f"ca-file: {path}" in str(error)


def test_a_password_file_that_is_missing_is_an_error_in_the_file(campus: Slapd, tmp_path: Path) -> None:
    assert isinstance(failure(reader(campus, password=Secret(file=tmp_path / "missing"))), ConfigError)


def test_open_closes_what_it_opened_when_the_block_fails(campus: Slapd) -> None:
    with pytest.raises(KeyError), ldap(campus.ldapi).open(), nullcontext():
        raise KeyError
