"""The emulator of Google itself, through Google's own client over HTTP: what passes it should survive Google."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import IncompleteRead
from pathlib import Path
from typing import Any

import pytest
from google.auth import crypt, jwt
from google.auth.exceptions import RefreshError
from google_auth_httplib2 import Request as AuthorizedRequest
from googleapiclient.errors import HttpError
from googleapiclient.http import BatchHttpRequest, HttpRequest
from httplib2 import Http, ServerNotFoundError

from tests.servers.google import (
    DROP_AFTER,
    DROP_BEFORE,
    DROP_WITHIN,
    Bucket,
    Domain,
    Emulator,
    Faults,
    emulator,
    emulator_process,
)
from tests.servers.google import errors as say
from tests.servers.google.campus import campus, invented
from tests.servers.google.client import service
from tests.servers.google.fields import selection
from tests.servers.google.lagged import Lagged
from tests.servers.google.oauth import AUDIENCE, GRANT, GROUPS_ADMIN, READING, SETTINGS, SUPER, USAGE, WRITING

HERE = "studenti.acquamorta.example"
TUTTI = f"tutti@{HERE}"
NINA, UGO, ZENO = (f"{name}@{HERE}" for name in ("nina", "ugo", "zeno"))
DAY = 86400.0


class Clock:
    """It stands still until somebody moves it."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def google(tmp_path: Path, clock: Clock) -> Iterator[Emulator]:
    """Three accounts, one of them suspended, and a group that Nina and Ugo are in."""
    domain = Domain(HERE, clock=clock)
    domain.add_user(NINA)
    domain.add_user(UGO, given="Ugo", family="Verdi", aliases=[f"0042@{HERE}"], org_unit="/studenti/primo")
    domain.add_user(ZENO, given="Zeno", family="Olmi", org_unit="/laureati", suspended=True)
    domain.add_group(TUTTI, name="Tutti")
    domain.enrol(TUTTI, NINA, UGO)
    with emulator(tmp_path, domain, clock=clock) as running:
        yield running


@contextmanager
def client(google: Emulator, name: str = "admin", version: str = "directory_v1", **how: Any) -> Iterator[Any]:
    made = service(google, name, version, **how)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def directory(google: Emulator) -> Iterator[Any]:
    with client(google) as made:
        yield made


def refused(request: HttpRequest) -> tuple[int, str, str]:
    """The status, reason and message that a call ends with."""
    with pytest.raises(HttpError) as failed:
        request.execute()
    (detail,) = failed.value.error_details
    return failed.value.status_code, detail["reason"], detail["message"]


def no(request: HttpRequest) -> tuple[int, str]:
    return refused(request)[:2]


def add(directory: Any, address: str, group: str = TUTTI, **more: str) -> HttpRequest:
    request: HttpRequest = directory.members().insert(groupKey=group, body={"email": address, **more})
    return request


def everyone(directory: Any, group: str = TUTTI, **how: Any) -> list[dict[str, str]]:
    """All pages of a group's members."""
    found: list[dict[str, str]] = []
    members = directory.members()
    request = members.list(groupKey=group, **how)
    while request is not None:
        page = request.execute()
        found += page.get("members", [])
        request = members.list_next(request, page)
    return found


def batched(google: Emulator, requests: Sequence[HttpRequest], path: str = "batch") -> dict[str, int | dict[str, Any]]:
    """Each call's answer, or the status of its error, by its place in the batch."""
    outcomes: dict[str, int | dict[str, Any]] = {}

    def told(place: str, answer: dict[str, Any], error: HttpError | None) -> None:
        outcomes[place] = error.status_code if error else answer

    http = requests[0].http
    if not http.credentials.valid:  # a batch would get its first token itself, and leave that socket open
        http.credentials.refresh(AuthorizedRequest(http.http))
    batch = BatchHttpRequest(callback=told, batch_uri=google.url + path)
    for request in requests:
        batch.add(request)
    batch.execute()
    return outcomes


def asked(google: Emulator, verb: str, path: str, *, token: str = "", **how: Any) -> tuple[int, dict[str, Any], Any]:
    """A request of our own making: what Google's client would not send."""
    http = Http(timeout=10)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    response, content = http.request(google.url + path, verb, headers=headers | how.pop("headers", {}), **how)
    http.close()
    return response.status, json.loads(content) if content else {}, response


def bearer(google: Emulator, scopes: Sequence[str] = WRITING) -> str:
    """An access token."""
    status, given, _ = assertion(google, scope=" ".join(scopes))
    assert status == 200, given
    return str(given["access_token"])


def assertion(google: Emulator, key: Path | None = None, **claims: Any) -> tuple[int, dict[str, Any], Any]:
    """What the token endpoint says to a JWT with these claims beside the usual ones."""
    file = json.loads((key or google.key_file).read_text())
    now = int(time.time())
    usual = {"iss": file["client_email"], "sub": google.act_as, "aud": AUDIENCE, "iat": now, "exp": now + 3600}
    signer = crypt.RSASigner.from_service_account_info(file)  # type: ignore[no-untyped-call]
    signed = jwt.encode(signer, usual | {"scope": " ".join(WRITING)} | claims).decode()  # type: ignore[no-untyped-call]
    return asked(google, "POST", "token", body=f"grant_type={GRANT}&assertion={signed}")


# ---- requests must fit the discovery documents


def test_a_field_that_no_schema_has_is_refused(directory: Any) -> None:
    status, reason, message = refused(directory.users().patch(userKey=NINA, body={"colour": "blue"}))
    assert (status, reason) == (400, "badRequest")
    assert 'Unknown name "colour"' in message


@pytest.mark.parametrize(
    "body",
    [{"suspended": "true"}, {"name": "Nina"}, {"name": {"givenName": 7}}, {"aliases": "x"}, {"name": {"nick": "N"}}],
)
def test_a_field_of_another_type_is_refused(directory: Any, body: dict[str, Any]) -> None:
    assert no(directory.users().patch(userKey=NINA, body=body)) == (400, "badRequest")


def test_a_parameter_that_the_method_does_not_have_is_refused(google: Emulator) -> None:
    token = bearer(google)
    status, body, _ = asked(google, "GET", f"admin/directory/v1/groups/{TUTTI}/members?pageSize=20", token=token)
    assert status == 400
    assert 'Unknown name "pageSize"' in body["error"]["message"]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("groups", "customer=my_customer&maxResults=201"),
        ("users", "customer=my_customer&maxResults=501"),
        (f"groups/{TUTTI}/members", "maxResults=201"),
        (f"groups/{TUTTI}/members", "maxResults=0"),
        (f"groups/{TUTTI}/members", "maxResults=many"),
        (f"groups/{TUTTI}/members", "includeDerivedMembership=perhaps"),
        (f"groups/{TUTTI}/members", "roles=MEMBER&roles=OWNER"),
        (f"groups/{TUTTI}/members", "roles=BOSS"),
        ("users", "customer=my_customer&orderBy=age"),
        ("users", ""),
        ("users", "customer=C0other"),
        ("users", "customer=my_customer&query=shoeSize=44"),
        ("users", "customer=my_customer&fields=users(id,shoeSize)"),
        ("users", "customer=my_customer&fields=users(id"),
    ],
)
def test_a_page_over_the_maximum_and_other_bad_values_are_refused(google: Emulator, path: str, query: str) -> None:
    status, body, _ = asked(google, "GET", f"admin/directory/v1/{path}?{query}", token=bearer(google))
    assert status == 400
    assert body["error"]["errors"][0]["reason"] in {"invalidParameter", "badRequest", "invalid"}


def test_a_body_that_is_no_json_and_a_path_that_is_no_route_are_refused(google: Emulator) -> None:
    token = bearer(google)
    status, body, _ = asked(google, "POST", "admin/directory/v1/groups", token=token, body="{")
    assert (status, body["error"]["errors"][0]["reason"]) == (400, "parseError")
    assert asked(google, "GET", "admin/directory/v1/gruppi", token=token)[0] == 404
    assert asked(google, "DELETE", f"admin/directory/v1/users/{NINA}", token=token, body="{}")[0] == 400


def test_a_route_that_is_not_modelled_says_so(google: Emulator) -> None:
    with client(google, scopes=["https://www.googleapis.com/auth/admin.directory.user"]) as directory:
        status, reason, message = refused(directory.users().makeAdmin(userKey=NINA, body={"status": True}))
    assert (status, reason) == (501, "notImplemented")
    assert "directory.users.makeAdmin is not modelled" in message


# ---- partial responses, pages, ETags


def test_201_members_are_two_pages_and_without_next_page_token_in_fields_only_one(
    google: Emulator, directory: Any
) -> None:
    for number in range(199):
        google.domain.enrol(TUTTI, google.domain.add_user(f"s{number}@{HERE}").address)
    assert len(everyone(directory)) == 201
    assert len(everyone(directory, fields="nextPageToken,members(id)")) == 201
    assert len(everyone(directory, fields="members(id)")) == 200, "as at Google: who forgets the token reads one page"


def test_fields_leave_out_what_is_not_named(directory: Any) -> None:
    assert directory.users().get(userKey=NINA, fields="primaryEmail,name(givenName)").execute() == {
        "primaryEmail": NINA,
        "name": {"givenName": "Nina"},
    }
    assert directory.members().list(groupKey=TUTTI, fields="members/email").execute() == {
        "members": [{"email": NINA}, {"email": UGO}]
    }
    assert directory.groups().get(groupKey=TUTTI, fields="directMembersCount").execute() == {"directMembersCount": "2"}


def test_a_selection_is_read_in_either_form() -> None:
    assert selection("a,b(c,d/e),f/g") == {"a": None, "b": {"c": None, "d": {"e": None}}, "f": {"g": None}}
    assert selection("a/b(c,d)") == {"a": {"b": {"c": None, "d": None}}}
    assert selection("*") is None


def test_a_group_without_members_answers_without_the_key(google: Emulator, directory: Any) -> None:
    google.domain.add_group(f"nessuno@{HERE}")
    assert "members" not in directory.members().list(groupKey=f"nessuno@{HERE}").execute()


def test_a_page_token_is_good_for_its_own_listing_and_for_three_days(
    google: Emulator, directory: Any, clock: Clock
) -> None:
    users = directory.users()
    first = users.list(customer="my_customer", maxResults=2).execute()
    token = first["nextPageToken"]
    assert len(users.list(customer="my_customer", maxResults=2, pageToken=token).execute()["users"]) == 2
    assert no(users.list(domain=HERE, maxResults=2, pageToken=token)) == (400, "invalid")
    assert no(users.list(customer="my_customer", pageToken="made-up")) == (400, "invalid")
    clock.now += 3 * DAY
    assert refused(users.list(customer="my_customer", pageToken=token)) == (400, "invalid", "Invalid Input: pageToken")


def test_what_has_not_changed_is_304_and_what_has_is_412(google: Emulator) -> None:
    token, path = bearer(google), f"admin/directory/v1/users/{NINA}"
    _, user, response = asked(google, "GET", path, token=token)
    assert response["etag"] == user["etag"]
    assert asked(google, "GET", path, token=token, headers={"If-None-Match": user["etag"]})[0] == 304
    listing = f"admin/directory/v1/groups/{TUTTI}/members"
    etag = asked(google, "GET", listing, token=token)[1]["etag"]
    assert asked(google, "GET", listing, token=token, headers={"If-None-Match": etag})[0] == 304
    body = json.dumps({"orgUnitPath": "/laureati"})
    assert asked(google, "PATCH", path, token=token, body=body, headers={"If-Match": '"old"'})[0] == 412
    assert asked(google, "PATCH", path, token=token, body=body, headers={"If-Match": user["etag"]})[0] == 200
    assert asked(google, "GET", path, token=token, headers={"If-None-Match": user["etag"]})[0] == 200


# ---- OAuth


def test_a_token_is_given_for_a_signed_assertion_and_speaks_in_the_subjects_name(
    google: Emulator, directory: Any
) -> None:
    directory.groups().get(groupKey=TUTTI).execute()
    assert [call.who for call in google.journal.calls] == [google.act_as]
    assert google.journal.tokens == [""]
    assert oct(google.key_file.stat().st_mode)[-3:] == "600"


@pytest.mark.parametrize(
    ("claims", "status", "error", "words"),
    [
        ({"aud": "https://example.org/token"}, 400, "invalid_grant", "Failed audience check"),
        ({"iss": "nobody@invented-9.iam.gserviceaccount.com"}, 400, "invalid_grant", "account not found"),
        ({"sub": f"nobody@{HERE}"}, 400, "invalid_grant", "Invalid email or User ID"),
        ({"sub": "someone@elsewhere.example"}, 401, "unauthorized_client", "not authorized for any of the scopes"),
        ({"sub": ZENO}, 400, "invalid_grant", "disabled"),
        ({"scope": "https://www.googleapis.com/auth/drive"}, 401, "unauthorized_client", "unauthorized to retrieve"),
        ({"scope": ""}, 400, "invalid_scope", "Invalid OAuth scope"),
        ({"scope": "everything"}, 400, "invalid_scope", "Some requested scopes were invalid"),
        ({"iat": 1_000_000_000, "exp": 1_000_003_600}, 400, "invalid_grant", "short-lived token (60 minutes)"),
        ({"exp": int(time.time()) + 90_000}, 400, "invalid_grant", "short-lived token (60 minutes)"),
        ({"iat": "now"}, 400, "invalid_grant", "short-lived token (60 minutes)"),
    ],
)
def test_an_assertion_that_is_not_right_is_refused_in_googles_words(
    google: Emulator, claims: dict[str, Any], status: int, error: str, words: str
) -> None:
    answered, body, _ = assertion(google, **claims)
    assert (answered, body["error"]) == (status, error)
    assert words in body["error_description"]


def test_a_revoked_key_and_a_key_of_somebody_else_sign_nothing(google: Emulator) -> None:
    second = google.key(google.account, "second.json")
    old = json.loads(google.key_file.read_text())
    forged = second.with_name("forged.json")
    forged.write_text(json.dumps(json.loads(second.read_text()) | {"private_key_id": old["private_key_id"]}))
    with (
        client(google, key_file=str(forged)) as directory,
        pytest.raises(RefreshError, match=r"Invalid JWT Signature\."),
    ):
        directory.users().get(userKey=NINA).execute()
    google.authority.revoke(google.account)
    with client(google) as directory, pytest.raises(RefreshError, match=r"Invalid JWT Signature\."):
        directory.users().get(userKey=NINA).execute()
    assert google.journal.tokens == ["invalid_grant"] * 2


def test_a_scope_that_was_withdrawn_makes_the_whole_request_unauthorized(google: Emulator) -> None:
    google.authority.withdraw(google.account, WRITING[0])
    with client(google) as directory, pytest.raises(RefreshError, match="unauthorized_client"):
        directory.users().get(userKey=NINA).execute()


def test_read_only_scopes_read_and_cannot_write(google: Emulator) -> None:
    with client(google, scopes=READING) as directory:
        assert len(everyone(directory)) == 2
        assert directory.users().list(customer="my_customer").execute()["users"]
        for write in (
            add(directory, f"0042@{HERE}"),
            directory.members().delete(groupKey=TUTTI, memberKey=NINA),
            directory.users().patch(userKey=NINA, body={"suspended": True}),
            directory.users().delete(userKey=NINA),
        ):
            assert refused(write) == (
                403,
                "insufficientPermissions",
                "Request had insufficient authentication scopes.",
            )
    assert google.journal.effects == []


def test_an_administrator_may_do_what_the_role_says(google: Emulator) -> None:
    google.authority.administrator(google.act_as, {"USERS_RETRIEVE", "USERS_SUSPEND", "GROUPS_ALL"})
    with client(google) as directory:
        directory.users().patch(userKey=NINA, body={"suspended": True}).execute()
        add(directory, ZENO).execute()
        forbidden = (403, "forbidden", "Not Authorized to access this resource/api")
        assert refused(directory.users().delete(userKey=NINA)) == forbidden
        assert refused(directory.users().patch(userKey=NINA, body={"orgUnitPath": "/laureati"})) == forbidden
        google.authority.administrator(UGO, SUPER)
        assert refused(directory.users().patch(userKey=UGO, body={"suspended": True})) == forbidden, "above its own"
        ugo = directory.users().get(userKey=UGO, fields="isAdmin,isDelegatedAdmin").execute()
        assert ugo == {"isAdmin": True, "isDelegatedAdmin": False}


def test_somebody_who_is_no_administrator_may_do_nothing(google: Emulator) -> None:
    with client(google, subject=NINA) as directory:
        assert no(directory.groups().get(groupKey=TUTTI)) == (403, "forbidden")


def test_a_service_account_with_a_groups_administrators_role_needs_no_subject(google: Emulator) -> None:
    own = google.authority.service_account("groups", privileges=GROUPS_ADMIN)
    with client(google, subject=None, key_file=str(google.key(own, "own.json")), scopes=WRITING) as directory:
        add(directory, ZENO).execute()
        assert no(directory.users().patch(userKey=NINA, body={"suspended": True})) == (403, "forbidden")
    assert {call.who for call in google.journal.calls} == {own.email}


def test_without_a_token_or_with_an_old_one_the_answer_is_401_and_the_client_gets_a_new_one(
    google: Emulator, directory: Any
) -> None:
    status, body, _ = asked(google, "GET", f"admin/directory/v1/groups/{TUTTI}")
    assert (status, body["error"]["errors"][0]["message"]) == (401, "Login Required.")
    directory.groups().get(groupKey=TUTTI).execute()
    google.authority.forget_tokens()
    directory.groups().get(groupKey=TUTTI).execute()
    assert google.journal.tokens == ["", ""]


# ---- members


def test_a_member_is_added_changed_and_taken_out(google: Emulator, directory: Any) -> None:
    added = add(directory, ZENO).execute()
    assert (added["role"], added["type"], added["status"], added["id"]) == (
        "MEMBER",
        "USER",
        "SUSPENDED",
        google.domain.user(ZENO).id,
    )
    members = directory.members()
    assert members.patch(groupKey=TUTTI, memberKey=ZENO, body={"role": "OWNER"}).execute()["role"] == "OWNER"
    assert [one["email"] for one in everyone(directory, roles="OWNER")] == [ZENO]
    assert len(everyone(directory, roles="MEMBER,OWNER")) == 3
    update = members.update(groupKey=TUTTI, memberKey=ZENO, body={"role": "MEMBER", "delivery_settings": "NONE"})
    assert update.execute()["delivery_settings"] == "NONE"
    assert no(members.patch(groupKey=TUTTI, memberKey=ZENO, body={"role": "BOSS"})) == (400, "invalid")
    assert members.delete(groupKey=TUTTI, memberKey=ZENO).execute() == ""
    assert google.domain.members_of(TUTTI) == {NINA, UGO}


def test_a_member_is_known_by_primary_address_alias_and_id_in_any_case(google: Emulator, directory: Any) -> None:
    for key in (UGO, f"0042@{HERE}", google.domain.user(UGO).id, UGO.upper()):
        assert directory.members().get(groupKey=TUTTI, memberKey=key).execute()["email"] == UGO
        assert refused(add(directory, key)) == (409, "duplicate", "Member already exists.")
    group = google.domain.group(TUTTI)
    assert len(everyone(directory, group.id)) == 2


def test_who_is_not_there_is_told_apart(google: Emulator, directory: Any) -> None:
    members = directory.members()
    gone = (404, "notFound", "Resource Not Found: memberKey")
    unknown = (400, "required", "Missing required field: memberKey")
    assert refused(members.delete(groupKey=TUTTI, memberKey=ZENO)) == gone, "an account that is no member"
    assert refused(members.delete(groupKey=TUTTI, memberKey="123456789")) == gone
    assert refused(members.delete(groupKey=TUTTI, memberKey=f"nobody@{HERE}")) == unknown, "no account has the address"
    assert refused(members.get(groupKey=TUTTI, memberKey="someone@example.org")) == unknown
    assert refused(add(directory, f"nobody@{HERE}")) == gone
    assert refused(add(directory, NINA, f"nessuno@{HERE}")) == (404, "notFound", "Resource Not Found: groupKey")
    assert no(add(directory, NINA, "list@elsewhere.example")) == (403, "forbidden")
    assert no(directory.members().insert(groupKey=TUTTI, body={"role": "MEMBER"})) == (400, "required")


def test_a_pending_member_is_not_listed_cannot_be_got_and_cannot_be_added(google: Emulator, directory: Any) -> None:
    google.domain.enrol(TUTTI, "ospite@example.org", pending=True)
    assert len(everyone(directory)) == 2
    assert directory.groups().get(groupKey=TUTTI).execute()["directMembersCount"] == "2"
    assert no(add(directory, "ospite@example.org")) == (409, "duplicate")
    get = directory.members().get(groupKey=TUTTI, memberKey="ospite@example.org")
    assert refused(get) == (404, "notFound", "Resource Not Found: memberKey")


def allow(google: Emulator) -> None:
    google.domain.settings[google.domain.group(TUTTI).id] = {"allowExternalMembers": "true"}


def test_strangers_need_the_groups_leave_and_a_gmail_address_is_one_however_it_is_dotted(
    google: Emulator, directory: Any
) -> None:
    assert no(add(directory, "m.rossi@gmail.com")) == (412, "conditionNotMet")
    allow(google)
    stranger = add(directory, "M.Rossi@gmail.com").execute()
    assert (stranger["email"], stranger["type"]) == ("m.rossi@gmail.com", "USER")
    for spelling in ("mrossi@gmail.com", "m.ros.si@googlemail.com", "MROSSI@GMAIL.COM"):
        assert no(add(directory, spelling)) == (409, "duplicate")
        assert directory.members().get(groupKey=TUTTI, memberKey=spelling).execute()["id"] == stranger["id"]
    assert add(directory, "m.rossi@example.org").execute()["id"] != add(directory, "mrossi@example.org").execute()["id"]


def test_the_whole_customer_is_a_member_without_an_address(google: Emulator, directory: Any) -> None:
    google.domain.enrol_everyone(TUTTI)
    (odd,) = [one for one in everyone(directory) if one["type"] == "CUSTOMER"]
    assert odd["id"] == google.domain.customer
    assert "email" not in odd
    has = directory.members().hasMember(groupKey=TUTTI, memberKey=ZENO)
    assert has.execute() == {"isMember": True}


def test_a_group_in_a_group_never_makes_a_circle_and_never_owns(google: Emulator, directory: Any) -> None:
    inner = f"primo@{HERE}"
    google.domain.add_group(inner)
    google.domain.enrol(inner, ZENO)
    add(directory, inner).execute()
    assert {one["type"] for one in everyone(directory)} == {"USER", "GROUP"}
    assert len(everyone(directory, includeDerivedMembership=True)) == 4
    assert refused(add(directory, TUTTI, inner)) == (412, "conditionNotMet", "Cyclic memberships not allowed")
    google.domain.add_group(f"secondo@{HERE}")
    assert no(add(directory, f"secondo@{HERE}", role="MANAGER")) == (400, "invalid")
    assert directory.members().hasMember(groupKey=TUTTI, memberKey=ZENO).execute() == {"isMember": True}
    for key in (inner, "someone@example.org"):
        assert refused(directory.members().hasMember(groupKey=TUTTI, memberKey=key))[2] == "Invalid Input: memberKey"


def test_a_member_may_be_listed_by_an_alias_and_a_renamed_one_is_listed_by_the_new_address(
    google: Emulator, directory: Any
) -> None:
    google.domain.enrol(TUTTI, UGO, listed=f"0042@{HERE}")
    assert {one["email"] for one in everyone(directory)} == {NINA, f"0042@{HERE}"}
    directory.users().update(userKey=NINA, body={"primaryEmail": f"nina.neri@{HERE}"}).execute()
    assert f"nina.neri@{HERE}" in {one["email"] for one in everyone(directory)}
    assert directory.users().get(userKey=NINA).execute()["aliases"] == [NINA], "the old address becomes an alias"
    assert no(add(directory, NINA)) == (409, "duplicate")


# ---- groups


def test_a_group_is_made_changed_and_deleted(google: Emulator, directory: Any) -> None:
    groups = directory.groups()
    made = groups.insert(body={"email": f"Nebbia@{HERE}", "name": "Nebbia"}).execute()
    assert (made["email"], made["directMembersCount"], made["kind"]) == (f"nebbia@{HERE}", "0", "admin#directory#group")
    assert no(groups.insert(body={"email": TUTTI})) == (409, "duplicate")
    assert no(groups.insert(body={"email": "nebbia@elsewhere.example"})) == (404, "notFound")
    assert no(groups.insert(body={"name": "Senza"})) == (400, "required")
    groups.patch(groupKey=made["id"], body={"email": f"brina@{HERE}", "description": "umida"}).execute()
    assert groups.get(groupKey=f"nebbia@{HERE}").execute()["email"] == f"brina@{HERE}", "the old address is an alias"
    groups.aliases().insert(groupKey=made["id"], body={"alias": f"foschia@{HERE}"}).execute()
    assert len(groups.aliases().list(groupKey=made["id"]).execute()["aliases"]) == 2
    groups.aliases().delete(groupKey=made["id"], alias=f"foschia@{HERE}").execute()
    assert no(groups.get(groupKey=f"foschia@{HERE}")) == (404, "notFound")
    groups.delete(groupKey=made["id"]).execute()
    assert no(groups.get(groupKey=made["id"])) == (404, "notFound")


def test_groups_are_listed_by_customer_domain_member_and_search(google: Emulator, directory: Any) -> None:
    google.domain.add_group(f"nebbia@{HERE}", name="Nebbia fitta")

    def found(**how: str) -> list[str]:
        answer = directory.groups().list(**how).execute()
        return [group["email"].partition("@")[0] for group in answer.get("groups", [])]

    assert found(customer="my_customer") == found(domain=HERE) == ["nebbia", "tutti"]
    assert found(userKey=UGO) == found(domain=HERE, query=f"memberKey={UGO}") == ["tutti"]
    assert found(customer="my_customer", query="email:neb*") == found(domain=HERE, query="name:'fitta'") == ["nebbia"]
    assert found(customer="my_customer", orderBy="email", sortOrder="DESCENDING") == ["tutti", "nebbia"]
    assert no(directory.groups().list(domain="elsewhere.example")) == (404, "notFound")


def test_settings_of_a_group_are_strings_and_only_of_the_values_that_google_knows(google: Emulator) -> None:
    with client(google, "groupssettings", "v1", scopes=[SETTINGS]) as settings:
        groups = settings.groups()
        before = groups.get(groupUniqueId=TUTTI).execute()
        assert (before["whoCanPostMessage"], before["allowExternalMembers"]) == ("ALL_IN_DOMAIN_CAN_POST", "false")
        groups.patch(groupUniqueId=TUTTI, body={"whoCanPostMessage": "ALL_MANAGERS_CAN_POST"}).execute()
        assert groups.get(groupUniqueId=TUTTI, fields="whoCanPostMessage").execute() == {
            "whoCanPostMessage": "ALL_MANAGERS_CAN_POST"
        }
        for body in (
            {"whoCanPostMessage": "STAFF"},
            {"allowExternalMembers": True},
            {"allowExternalMembers": "yes"},
            {"whoCanPostMessage": "NONE_CAN_POST"},
        ):
            assert refused(groups.patch(groupUniqueId=TUTTI, body=body))[0] == 400
        assert no(groups.get(groupUniqueId=f"nessuno@{HERE}")) == (404, "notFound")
        batch = [groups.get(groupUniqueId=TUTTI)]
        assert isinstance(batched(google, batch, "batch/groupssettings/v1")["1"], dict)
        assert batched(google, batch)["1"] == 400, "each API has batches of its own"
    with client(google, "groupssettings", "v1", scopes=WRITING) as settings:
        assert no(settings.groups().get(groupUniqueId=TUTTI)) == (403, "insufficientPermissions")


# ---- accounts


def test_an_account_is_made_suspended_archived_and_moved(google: Emulator, directory: Any) -> None:
    users = directory.users()
    body = {"primaryEmail": f"Ada@{HERE}", "name": {"givenName": "Ada", "familyName": "Neve"}, "password": "x" * 8}
    ada = users.insert(body=body | {"orgUnitPath": "/laureati", "recoveryEmail": "ada@example.org"}).execute()
    assert (ada["orgUnitPath"], ada["suspended"], ada["recoveryEmail"]) == ("/laureati", False, "ada@example.org")
    assert "password" not in ada
    assert no(users.insert(body=body)) == (409, "duplicate")
    for lacking in ("primaryEmail", "name", "password"):
        assert no(users.insert(body={k: v for k, v in body.items() if k != lacking})) == (400, "required")
    suspended = users.update(userKey=ada["id"], body={"suspended": True, "isAdmin": True}).execute()
    assert suspended["suspended"]
    assert suspended["suspensionReason"] == "ADMIN"
    assert not suspended["isAdmin"], "what is only read is ignored"
    google.domain.archive_licences = 1
    assert users.patch(userKey=ada["id"], body={"archived": True}).execute()["archived"]
    assert refused(users.patch(userKey=NINA, body={"archived": True}))[1] == "insufficientArchivedUserLicenses"
    assert no(users.patch(userKey=ada["id"], body={"orgUnitPath": "/nowhere"})) == (400, "invalid")
    assert users.patch(userKey=ada["id"], body={"suspended": False}).execute()["suspended"] is False
    assert refused(users.get(userKey=f"nobody@{HERE}")) == (404, "notFound", "Resource Not Found: userKey")


def test_a_deleted_account_leaves_its_groups_and_can_be_had_back_for_20_days_by_its_id(
    google: Emulator, directory: Any, clock: Clock
) -> None:
    users, ugo = directory.users(), google.domain.user(UGO)
    users.delete(userKey=UGO).execute()
    assert google.domain.members_of(TUTTI) == {NINA}
    assert no(users.get(userKey=ugo.id)) == (404, "notFound")
    (listed,) = users.list(customer="my_customer", showDeleted="true").execute()["users"]
    assert listed["id"] == ugo.id
    assert listed["deletionTime"]
    assert no(users.undelete(userKey=UGO, body={"orgUnitPath": "/"})) == (404, "notFound"), "not by the address"
    clock.now += 20 * DAY - 1
    users.undelete(userKey=ugo.id, body={"orgUnitPath": "/laureati"}).execute()
    back = users.get(userKey=f"0042@{HERE}").execute()
    assert (back["id"], back["orgUnitPath"]) == (ugo.id, "/laureati")
    users.delete(userKey=ugo.id).execute()
    clock.now += 20 * DAY
    assert no(users.undelete(userKey=ugo.id, body={})) == (412, "conditionNotMet")


def test_an_account_whose_address_somebody_else_has_does_not_come_back(google: Emulator, directory: Any) -> None:
    ugo = google.domain.user(UGO)
    directory.users().delete(userKey=UGO).execute()
    google.domain.add_user(UGO, given="Another")
    assert no(directory.users().undelete(userKey=ugo.id, body={})) == (409, "duplicate")


def test_a_delegated_administrators_undelete_may_be_ignored_as_the_discovery_document_says(google: Emulator) -> None:
    google.authority.administrator(google.act_as, {"USERS_ALL"})
    google.faults.undelete_ignored = True
    nina = google.domain.user(NINA).id
    with client(google) as directory:
        directory.users().delete(userKey=nina).execute()
        directory.users().undelete(userKey=nina, body={"orgUnitPath": "/"}).execute()
        assert no(directory.users().get(userKey=nina)) == (404, "notFound")


def test_an_account_has_at_most_30_aliases(google: Emulator, directory: Any) -> None:
    aliases = directory.users().aliases()
    for number in range(30):
        aliases.insert(userKey=NINA, body={"alias": f"n{number}@{HERE}"}).execute()
    assert no(aliases.insert(userKey=NINA, body={"alias": f"n30@{HERE}"})) == (412, "limitExceeded")
    assert no(aliases.insert(userKey=UGO, body={"alias": f"n1@{HERE}"})) == (409, "duplicate")
    assert len(aliases.list(userKey=NINA).execute()["aliases"]) == 30
    aliases.delete(userKey=NINA, alias=f"n1@{HERE}").execute()
    assert no(directory.users().get(userKey=f"n1@{HERE}")) == (404, "notFound")


def test_accounts_are_searched_by_unit_state_and_name(google: Emulator, directory: Any) -> None:
    def found(query: str, **how: str) -> list[str]:
        answer = directory.users().list(customer="my_customer", query=query, **how).execute()
        return [user["primaryEmail"].partition("@")[0] for user in answer.get("users", [])]

    assert found("orgUnitPath=/studenti") == ["ugo"], "the units below, too"
    assert found("orgUnitPath='/stud'") == []
    assert found("isSuspended=true") == ["zeno"]
    assert found("isSuspended=false orgUnitPath=/laureati") == []
    assert found("email:0042*") == found("givenName=ugo") == found("name:'o verd'") == ["ugo"]
    assert found("isSuspended=true " * 150) == ["zeno"], "too long for a URL: Google's client posts it"
    assert found("", orderBy="familyName", sortOrder="DESCENDING") == ["ugo", "posta-sync", "nina", "zeno"]


def test_what_accounts_store_is_reported_days_late(google: Emulator, clock: Clock) -> None:
    google.domain.add_user(f"ada@{HERE}", used_mb=4096)
    with client(google, "admin", "reports_v1", scopes=[USAGE]) as reports:
        usage = reports.userUsageReport()
        how = {"userKey": "all", "parameters": "accounts:used_quota_in_mb"}
        page = usage.get(date="2027-01-10", maxResults=3, **how).execute()
        rest = usage.get(date="2027-01-10", maxResults=3, pageToken=page["nextPageToken"], **how).execute()
        values = {one["entity"]["userEmail"]: one["parameters"] for one in page["usageReports"] + rest["usageReports"]}
        assert values[f"ada@{HERE}"] == [{"name": "accounts:used_quota_in_mb", "intValue": "4096"}]
        assert len(values) == 5
        (total,) = reports.customerUsageReports().get(date="2027-01-10").execute()["usageReports"]
        assert {"name": "accounts:used_quota_in_mb", "intValue": "4096"} in total["parameters"]
        status, _, message = refused(usage.get(date="2027-01-14", **how))
        assert (status, "is not yet available" in message) == (400, True)
        assert refused(usage.get(date="2027-02-30", **how))[0] == 400
        assert no(usage.get(date="2027-01-10", userKey=f"nobody@{HERE}")) == (404, "notFound")


# ---- batches


@pytest.mark.parametrize("path", ["batch", "batch/admin/directory_v1"])
def test_the_calls_of_a_batch_fail_one_by_one_and_come_in_another_order(
    google: Emulator, directory: Any, path: str
) -> None:
    members = directory.members()
    requests = [
        add(directory, ZENO),
        add(directory, NINA),
        members.delete(groupKey=TUTTI, memberKey=UGO),
        members.delete(groupKey=TUTTI, memberKey="1234"),
        directory.users().get(userKey=NINA, fields="primaryEmail"),
        directory.groups().get(groupKey=f"nessuno@{HERE}"),
    ]
    outcomes = batched(google, requests, path)
    assert outcomes["5"] == {"primaryEmail": NINA}
    assert [outcomes[place] for place in "246"] == [409, 404, 404]
    assert google.domain.members_of(TUTTI) == {NINA, ZENO}
    assert google.journal.batches == [6]
    assert {call.batch for call in google.journal.calls} == {1}
    assert [call.path for call in google.journal.calls] != [request.uri for request in requests]


def test_an_answer_bears_the_id_of_its_call(google: Emulator) -> None:
    part = "--x\r\nContent-Type: application/http\r\nContent-ID: <a1b2 + 7>\r\n\r\n"
    part += "GET /admin/directory/v1/users/{}\r\n\r\n"
    http = Http(timeout=10)
    headers = {"Authorization": f"Bearer {bearer(google)}", "Content-Type": 'multipart/mixed; boundary="x"'}
    response, content = http.request(google.url + "batch", "POST", part.format(NINA) + "--x--\r\n", headers)
    assert response["content-type"].startswith("multipart/mixed; boundary=batch_")
    assert b"Content-ID: <response-a1b2 + 7>\r\n\r\nHTTP/1.1 200 OK\r\n" in content
    for body in ((part.format(NINA) * 1001) + "--x--\r\n", part.format(NINA), "", "--x--"):
        assert http.request(google.url + "batch", "POST", body, headers)[0].status == 400
    http.close()
    assert len(google.journal.calls) == 1, "none of 1,001"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the client leaves a socket open
def test_a_batch_whose_call_has_lost_its_token_is_asked_again_for_that_call(google: Emulator, directory: Any) -> None:
    directory.groups().get(groupKey=TUTTI).execute()
    google.authority.forget_tokens()
    assert isinstance(batched(google, [add(directory, ZENO)])["1"], dict)
    assert [call.status for call in google.journal.calls] == [200, 401, 200]


# ---- unkindness


def test_reads_are_behind_writes(google: Emulator, directory: Any, clock: Clock) -> None:
    google.faults.lag = 30
    add(directory, ZENO).execute()
    directory.members().delete(groupKey=TUTTI, memberKey=NINA).execute()
    directory.users().patch(userKey=UGO, body={"suspended": True}).execute()
    directory.users().delete(userKey=ZENO).execute()
    assert no(add(directory, UGO)) == (409, "duplicate"), "writes meet the truth"
    before = {one["email"]: one["status"] for one in everyone(directory)}
    assert before == {NINA: "ACTIVE", UGO: "ACTIVE"}
    assert directory.groups().get(groupKey=TUTTI).execute()["directMembersCount"] == "2"
    assert len(directory.users().list(customer="my_customer").execute()["users"]) == 4
    clock.now += 30
    assert {one["email"]: one["status"] for one in everyone(directory)} == {UGO: "SUSPENDED"}
    assert len(directory.users().list(customer="my_customer").execute()["users"]) == 3


def test_of_several_writes_a_reader_sees_the_last_that_is_old_enough() -> None:
    table: Lagged[str] = Lagged()
    for at, value in ((1, "a"), (2, "b"), (3, None), (4, "d")):
        table.put("key", value, at)
    assert [table.seen(horizon).get("key") for horizon in (0.5, 1, 2, 3, 4)] == [None, "a", "b", None, "d"]
    assert table.now == {"key": "d"}


def test_a_group_just_made_is_not_there_for_a_minute(google: Emulator, directory: Any, clock: Clock) -> None:
    google.faults.birth = 60
    clock.now += 60
    nebbia = f"nebbia@{HERE}"
    directory.groups().insert(body={"email": nebbia}).execute()
    for request in (directory.groups().get(groupKey=nebbia), add(directory, NINA, nebbia)):
        assert refused(request) == (404, "notFound", "Resource Not Found: groupKey")
    clock.now += 60
    add(directory, NINA, nebbia).execute()


def test_a_quota_is_a_bucket_for_each_user_that_counts_inner_calls(
    google: Emulator, directory: Any, clock: Clock
) -> None:
    google.faults.quota = Bucket(per_minute=60, burst=5, says=("userRateLimitExceeded", "quotaExceeded"))
    gets = [directory.groups().get(groupKey=TUTTI) for _ in range(8)]
    outcomes = batched(google, gets)
    assert sorted(str(outcome) for outcome in outcomes.values() if isinstance(outcome, int)) == ["403"] * 3
    assert google.journal.refused == 3
    assert {call.reason for call in google.journal.calls} == {"", "userRateLimitExceeded", "quotaExceeded"}
    clock.now += 2
    assert list(batched(google, gets).values()).count(403) == 6, "two more have flowed in"
    google.authority.administrator(f"second@{HERE}", GROUPS_ADMIN)
    with client(google, subject=f"second@{HERE}") as other:
        other.groups().get(groupKey=TUTTI).execute()


def test_too_many_requests_say_when_to_come_back(google: Emulator, directory: Any) -> None:
    google.faults.quota = Bucket(per_minute=60, burst=0, says=("rateLimitExceeded",))
    google.faults.retry_after = 7
    with pytest.raises(HttpError) as failed:
        directory.groups().get(groupKey=TUTTI).execute()
    assert (failed.value.status_code, failed.value.resp["retry-after"]) == (429, "7")


def test_a_share_of_calls_fails_and_the_same_ones_for_the_same_seed(google: Emulator, directory: Any) -> None:
    def day(seed: int) -> list[tuple[int, str]]:
        google.journal.clear()
        faults = Faults(seed=seed, quota_exceeded=0.1, backend_error=0.1, too_many=0.1, condition_not_met=0.2)
        google.faults = faults
        for _ in range(2):
            batched(google, [add(directory, NINA) for _ in range(50)])
        return [(call.status, call.reason) for call in google.journal.calls]

    monday = day(1)
    assert monday == day(1) != day(2)
    share = {reason: sum(found == reason for _, found in monday) for _, reason in monday}
    assert all(3 <= share[reason] <= 25 for reason in ("quotaExceeded", "backendError", "rateLimitExceeded"))
    assert share["duplicate"] > 40
    assert share["conditionNotMet"] > 7


def test_a_connection_dropped_before_the_effect_leaves_nothing_done(google: Emulator, directory: Any) -> None:
    google.faults.next("members.insert", DROP_BEFORE, times=None)
    with pytest.raises((ConnectionError, OSError)):
        add(directory, ZENO).execute()
    assert google.domain.members_of(TUTTI) == {NINA, UGO}
    assert {call.status for call in google.journal.calls} == {0}


def test_after_a_lost_answer_googles_own_client_asks_again_and_hears_409_of_its_own_success(
    google: Emulator, directory: Any
) -> None:
    google.faults.next("members.insert", DROP_AFTER)
    assert no(add(directory, ZENO)) == (409, "duplicate")
    assert [(call.status, call.lost) for call in google.journal.calls] == [(200, True), (409, False)]
    assert google.domain.members_of(TUTTI) == {NINA, UGO, ZENO}


def test_an_answer_may_end_in_the_middle(google: Emulator, directory: Any) -> None:
    google.faults.next("members.list", DROP_WITHIN)
    with pytest.raises(IncompleteRead):
        everyone(directory)
    assert len(everyone(directory)) == 2


def test_a_503_may_be_the_answer_to_what_was_done(google: Emulator, directory: Any) -> None:
    google.faults.next("members.insert", say.backend(done=True))
    assert no(add(directory, ZENO)) == (503, "backendError")
    assert no(add(directory, ZENO)) == (409, "duplicate")
    assert [call.status for call in google.journal.effects] == [503]


def test_the_machines_before_google_speak_html(google: Emulator, directory: Any) -> None:
    google.faults.bad_gateway = 1
    with pytest.raises(HttpError) as failed:
        everyone(directory)
    assert (failed.value.status_code, failed.value.resp["content-type"]) == (502, "text/html; charset=UTF-8")
    assert isinstance(failed.value.error_details, str), "and there is no reason to be found"


def test_a_batch_is_dropped_as_a_whole(google: Emulator, directory: Any) -> None:
    google.faults.next("batch", DROP_BEFORE)
    google.faults.next("batch", DROP_AFTER)
    with pytest.raises((ConnectionError, OSError)):
        batched(google, [add(directory, ZENO), directory.members().delete(groupKey=TUTTI, memberKey=NINA)])
    assert google.domain.members_of(TUTTI) == {UGO, ZENO}
    assert sorted(call.status for call in google.journal.calls) == [0, 0, 200, 204]


def test_a_share_of_connections_is_dropped(google: Emulator, directory: Any) -> None:
    google.faults.dropped_before = google.faults.dropped_after = 0.1
    outcomes: list[int] = []
    for _ in range(60):
        try:
            directory.members().delete(groupKey=TUTTI, memberKey=ZENO).execute()
        except HttpError as error:
            outcomes.append(error.status_code)
        except OSError:
            outcomes.append(0)
    before = sum(call.status == 0 for call in google.journal.calls)
    after = sum(call.lost for call in google.journal.calls)
    assert 2 <= before <= 20
    assert 2 <= after <= 20


def test_what_is_planned_for_a_call_happens_to_that_call(google: Emulator, directory: Any) -> None:
    nebbia = f"nebbia@{HERE}"
    google.domain.add_group(nebbia)
    google.faults.next("members.list", say.backend(), where="nebbia", times=2)
    assert len(everyone(directory)) == 2
    for _ in range(2):
        assert no(directory.members().list(groupKey=nebbia)) == (503, "backendError")
    assert everyone(directory, nebbia) == []
    google.faults.next("batch", say.too_many(3))
    with pytest.raises(HttpError, match="429"):
        batched(google, [add(directory, ZENO)])
    google.faults.next("token", say.Refused(400, "invalid_grant", "Account has been deleted"))
    google.authority.forget_tokens()
    with pytest.raises(RefreshError, match="Account has been deleted"):
        everyone(directory)


def test_an_answer_can_be_told_otherwise_once(google: Emulator, directory: Any) -> None:
    google.faults.next("directory.groups.get", lambda group: group | {"directMembersCount": "7"})
    counts = [directory.groups().get(groupKey=TUTTI).execute()["directMembersCount"] for _ in range(2)]
    assert counts == ["7", "2"]


def test_the_api_lies_about_counts_roles_pages_and_groups(google: Emulator, directory: Any) -> None:
    google.domain.enrol(TUTTI, ZENO, role="OWNER")
    faults = google.faults
    faults.wrong_counts = {TUTTI: -1}
    assert directory.groups().list(customer="my_customer").execute()["groups"][0]["directMembersCount"] == "2"
    faults.roles_ignored = True
    assert {one["role"] for one in everyone(directory, roles="MEMBER")} == {"MEMBER", "OWNER"}
    faults.repeats_member = True
    emails = [one["email"] for one in everyone(directory, maxResults=1)]
    assert (len(emails), len(set(emails))) == (5, 3)
    faults.no_groups = True
    assert "groups" not in directory.groups().list(customer="my_customer").execute()
    faults.page_life = 0
    first = directory.members().list(groupKey=TUTTI, maxResults=1).execute()
    assert no(directory.members().list(groupKey=TUTTI, maxResults=1, pageToken=first["nextPageToken"])) == (
        400,
        "invalid",
    )


def test_latency_is_slept_once_for_each_request_over_http(tmp_path: Path) -> None:
    slept: list[float] = []
    domain = campus(Domain(HERE), users=3, memberships=2, groups=["tutti"])
    with emulator(tmp_path, domain, sleep=slept.append) as google, client(google) as directory:
        google.faults.latency = 0.08
        batched(google, [directory.groups().get(groupKey=TUTTI) for _ in range(50)])
    assert slept == [0.08, 0.08], "the token, and the batch"


def test_it_ends_by_itself_while_clients_hold_connections_and_wait_for_answers(tmp_path: Path) -> None:
    before = threading.active_count()
    with emulator(tmp_path) as google:
        path = f"admin/directory/v1/users/{google.act_as}"
        idle, waiting, token = Http(timeout=10), Http(timeout=0.1), bearer(google)
        idle.request(google.url + path, headers={"Authorization": f"Bearer {token}"})
        google.faults.latency = 3600
        with pytest.raises(TimeoutError):
            waiting.request(google.url + path)
    assert threading.active_count() == before
    for http in (idle, waiting):
        http.close()


def test_two_clients_at_once_are_served(google: Emulator) -> None:
    def work(number: int) -> None:
        with client(google) as directory:
            batched(google, [add(directory, google.domain.user(ZENO).id, role="MEMBER") for _ in range(5)])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert google.journal.count("members.insert", status=200) == 1
    assert google.journal.count("members.insert", status=409) == 19


def test_a_stubborn_client_gets_there_on_the_worst_of_days_and_then_has_nothing_to_do(
    google: Emulator, directory: Any, clock: Clock
) -> None:
    wanted = {google.domain.add_user(f"s{number}@{HERE}").address for number in range(150)} | {UGO}
    google.faults = Faults(
        seed=7,
        lag=5,
        quota_exceeded=0.05,
        backend_error=0.03,
        backend_error_after=0.02,
        bad_gateway=0.01,
        condition_not_met=0.01,
        dropped_before=0.01,
        dropped_after=0.01,
        dropped_within=0.01,
        repeats_member=True,
        quota=Bucket(per_minute=2400, burst=60),
    )
    members = directory.members()
    for _ in range(40):
        clock.now += 5
        try:
            present = {one["email"] for one in everyone(directory, maxResults=50)}
            todo = [add(directory, address) for address in sorted(wanted - present)]
            todo += [members.delete(groupKey=TUTTI, memberKey=address) for address in sorted(present - wanted)]
            if todo:
                batched(google, todo[:50])
        except (HttpError, OSError, IncompleteRead):
            continue
    assert google.domain.members_of(TUTTI) == wanted
    assert len(google.journal.effects) == 151, "nothing was done twice"
    assert google.journal.refused > 0


# ---- scale, and on its own


def test_40000_accounts_and_17_groups_are_made_at_once_and_fill_412_pages() -> None:
    domain = invented(time.time, users=40_000, memberships=66_400)
    assert len(domain.users.now) == 40_000
    sizes = [len(members.now) for members in domain.members.values()]
    assert sum(sizes) == 66_400
    assert sum(-(-size // 200) for size in sizes) + 40_000 // 500 == 412


def test_on_its_own_it_tells_where_it_is_counts_calls_and_ends_with_its_pid(tmp_path: Path) -> None:
    with emulator_process(tmp_path, "--users", "20", "--memberships", "30", "--groups", "tutti", "nebbia") as running:
        made = service(running)
        answer = made.groups().list(customer="my_customer").execute()
        assert [group["email"] for group in answer["groups"]] == sorted(running.groups)
        running.configure(backend_error=1)
        assert no(made.groups().list(customer="my_customer")) == (503, "backendError")
        told = running.journal()
        assert (told["calls"], told["statuses"]) == (2, {"200": 1, "503": 1})
        assert running.configure(clear=True, backend_error=0)["calls"] == 0
        made.close()
    with pytest.raises((OSError, ServerNotFoundError)):
        Http(timeout=1).request(running.url + "-/journal")
