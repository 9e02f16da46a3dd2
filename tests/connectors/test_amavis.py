"""amavisd-new, the real one: what it holds, and what it obeys. With an account that has the least rights."""

from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from email.policy import SMTP

import pytest

from tests.connectors.amavis_place import ANNA, BRUNO, CARLA, SPAMMER, Place, place
from tests.contracts.quarantine import NASTY, NOW, QuarantineContract
from tests.servers.amavis import amavis_here, amavis_server, banned, clean, spam

__all__ = ["amavis_here", "amavis_server", "place"]


class TestContract(QuarantineContract):
    pass


# ---- what comes in by SMTP


def test_spam_and_a_banned_attachment_are_held_and_a_clean_mail_is_not(place: Place) -> None:
    place.server.send(SPAMMER, [ANNA, BRUNO], spam(SPAMMER, ANNA, "Buy now"))
    place.server.send(SPAMMER, [ANNA], banned(SPAMMER, ANNA, "Invoice"))
    place.server.send(CARLA, [ANNA], clean(CARLA, ANNA, "Lunch"))
    held = sorted((item.recipient, item.category, item.subject) for item in place.seen())
    assert held == [(ANNA, "banned", "Invoice"), (ANNA, "spam", "Buy now"), (BRUNO, "spam", "Buy now")]
    assert place.delivered() == [ANNA]
    assert {item.sender for item in place.seen()} == {SPAMMER}
    assert max(item.score for item in place.seen()) > 900


@pytest.mark.parametrize("by", ["port", "socket"])
def test_a_held_mail_is_released_once_and_as_it_came(place: Place, by: str) -> None:
    place.server.send(SPAMMER, [ANNA, BRUNO], spam(SPAMMER, ANNA, "Buy now \U0001f4b0"))
    annas, brunos = place.seen()
    release = (str(place.server.socket) if by == "socket" else f"127.0.0.1:{place.server.pdp}",)
    with place.open(release=release) as session:
        session.release(annas.id, ANNA)
    (mail,) = place.server.next_hop.mails
    assert (mail.to, mail.sender) == ((ANNA,), SPAMMER)
    assert b"Cheap pills!" in mail.content
    assert place.marks() == ["R", ""]
    assert place.seen() == [brunos]


def test_a_blocked_sender_is_held_for_whoever_said_so_and_for_nobody_else(place: Place) -> None:
    with place.open() as session:
        session.rule(ANNA, CARLA, "block")
    place.server.send(CARLA, [ANNA, BRUNO], clean(CARLA, ANNA, "Lunch"))
    assert [(item.recipient, item.category, item.subject) for item in place.seen()] == [(ANNA, "spam", "Lunch")]
    assert place.delivered() == [BRUNO]
    with place.open() as session:
        session.rule(ANNA, CARLA, None)
    place.server.send(CARLA, [ANNA], clean(CARLA, ANNA, "Lunch"))
    assert place.delivered() == [BRUNO, ANNA]


def test_what_an_allowed_sender_writes_is_let_through_but_for_banned_attachments(place: Place) -> None:
    with place.open() as session:
        session.rule(ANNA, SPAMMER.upper(), "allow")
    place.server.send(SPAMMER, [ANNA, BRUNO], spam(SPAMMER, ANNA))
    place.server.send(SPAMMER, [ANNA], banned(SPAMMER, ANNA))
    place.server.send("other@lottery.example.com", [ANNA], spam("other@lottery.example.com", ANNA))
    assert place.delivered() == [ANNA]
    held = sorted((item.recipient, item.category, item.sender) for item in place.seen())
    assert held == [
        (ANNA, "banned", SPAMMER),
        (ANNA, "spam", "other@lottery.example.com"),
        (BRUNO, "spam", SPAMMER),
    ]


def test_a_rule_leaves_the_policy_of_the_domain_as_it_was(place: Place) -> None:
    place.server.query("INSERT INTO policy (id, spam_lover) VALUES (7, 'Y')")
    place.server.query("INSERT INTO users (priority, policy_id, email) VALUES (5, 7, '@unimore.it')")
    with place.open() as session:
        session.rule(ANNA, "news@example.org", "allow")
    place.server.send(SPAMMER, [ANNA, BRUNO], spam(SPAMMER, ANNA))
    place.server.query("DELETE FROM policy")
    assert place.delivered() == [ANNA], "unimore.it takes all"
    assert [item.recipient for item in place.seen()] == [BRUNO], "who received it is not shown"


def test_what_a_spammer_writes_is_read_as_amavis_keeps_it(place: Place) -> None:
    author = "=?utf-8?B?" + "PGltZyBzcmM9eCBvbmVycm9yPWFsZXJ0KDEpPiDigK5mZHAuZXhl" + "?= <win@lottery.example.com>"
    message = spam(SPAMMER, ANNA, NASTY).as_bytes(policy=SMTP)
    message = message.replace(b"From: win@lottery.example.com", f"From: {author}".encode())
    place.server.send(SPAMMER, [ANNA], message)
    (item,) = place.seen()
    assert item.subject == NASTY
    assert item.author == "<img src=x onerror=alert(1)> \u202efdp.exe <win@lottery.example.com>"


def test_a_subject_of_64_kilobytes_and_one_that_decodes_to_controls_are_read(place: Place) -> None:
    place.server.send(SPAMMER, [ANNA], spam(SPAMMER, ANNA, "\U0001f4b0" * 16_000))
    controls = spam(SPAMMER, ANNA, "X").as_bytes(policy=SMTP)
    controls = controls.replace(b"Subject: X", b"Subject: =?utf-8?Q?a=00b=0D=0ABcc:_x=1B[31m?=")
    place.server.send(SPAMMER, [ANNA], controls)
    raw = spam(SPAMMER, ANNA, "X").as_bytes(policy=SMTP).replace(b"Subject: X", b"Subject: \xff\xfe caf\xe9")
    place.server.send(SPAMMER, [ANNA], raw)
    subjects = [item.subject for item in place.seen()]
    assert len(subjects) == 3
    assert "\U0001f4b0" * 255 in subjects


def test_four_that_take_mail_at_once_lose_none_while_it_is_read(place: Place) -> None:
    def one(mx: int) -> None:
        for number in range(4):
            place.server.send(SPAMMER, [ANNA, BRUNO], spam(SPAMMER, ANNA, f"{mx}.{number}"))

    with ThreadPoolExecutor(4) as mxs:
        taking = [mxs.submit(one, mx) for mx in range(4)]
        seen: set[str] = set()
        while not all(each.done() for each in taking):
            seen |= {item.id for item in place.seen()}
    for each in taking:
        each.result()
    items = place.seen()
    assert seen <= {item.id for item in items}
    wanted = sorted((f"{mx}.{number}", who) for mx in range(4) for number in range(4) for who in (ANNA, BRUNO))
    assert sorted((item.subject, item.recipient) for item in items) == wanted


# ---- rows


def test_a_message_that_is_being_looked_at_is_not_shown_until_it_is_final(place: Place) -> None:
    (one,) = place.hold(ANNA, at=NOW)
    place.server.query("UPDATE msgs SET content = NULL")
    assert place.seen() == []
    place.server.query("UPDATE msgs SET content = 'S'")
    assert [item.id for item in place.seen()] == [one]


@pytest.mark.parametrize("ds", ["P", "T"])
def test_who_received_it_or_will_is_not_shown(place: Place, ds: str) -> None:
    place.hold(ANNA, at=NOW, ds=ds)
    assert place.seen() == []


@pytest.mark.parametrize("quarantined", ["F", "Z", "M", " ", None])
def test_what_is_not_in_this_database_is_not_shown(place: Place, quarantined: str | None) -> None:
    place.hold(ANNA, at=NOW)
    place.server.query(f"UPDATE msgs SET quar_type = {'NULL' if quarantined is None else repr(quarantined)}")
    assert place.seen() == []


def test_one_whose_body_is_gone_is_not_shown_and_not_released(place: Place) -> None:
    place.hold(ANNA, at=NOW)
    place.server.query("DELETE FROM quarantine")
    assert place.seen() == []


def test_one_that_was_viewed_by_another_program_is_held_and_one_that_it_released_is_not(place: Place) -> None:
    place.hold(ANNA, at=NOW)
    for mark, held in (("V", 1), ("R", 0), ("p", 0), ("D", 0)):
        place.server.query(f"UPDATE msgrcpt SET rs = '{mark}'")
        assert len(place.seen()) == held


def test_partitions_are_apart(place: Place) -> None:
    (one,) = place.hold(ANNA, at=NOW)
    other = place.hold(ANNA, at=NOW, partition=48)[0].replace("0:", "48:", 1)
    place.server.query(
        "UPDATE maddr SET email = 'bruno@studenti.unimore.it' WHERE partition_tag = 48 AND email LIKE 'a%'"
    )
    assert {(item.id, item.recipient) for item in place.seen()} == {(one, ANNA), (other, BRUNO)}
    with place.open() as session:
        assert [item.id for item in session.held_for([BRUNO], NOW)] == [other]
        session.release(next(item.id for item in place.seen() if item.recipient == BRUNO), BRUNO)
    assert place.delivered() == [BRUNO]


def test_octets_that_are_no_text_stop_nobody(place: Place) -> None:
    place.hold(ANNA, at=NOW)
    place.server.query("UPDATE maddr SET email = X'FFFE406578616D706C652E6F7267' WHERE email LIKE 'spammer%'")
    (item,) = place.seen()
    assert item.sender == "\ufffd\ufffd@example.org"


def test_a_recipient_whose_address_is_gone_is_not_left_out(place: Place) -> None:
    place.hold(ANNA, at=NOW)
    place.server.query("DELETE FROM maddr WHERE email LIKE 'anna%'")
    assert [item.recipient for item in place.seen()] == [""]


def test_quoted_addresses_are_named_as_amavis_names_them(place: Place) -> None:
    odd = '"Odd \\"One\\""@example.org'
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "x@example.org", ANNA, "Lunch"
    message.set_content("At one?\n")
    with place.open() as session:
        session.rule(ANNA, odd, "block")
        assert session.rules([ANNA]) == {(ANNA, 'odd "one"@example.org'): "block"}
    place.server.send(odd, [ANNA], message)
    assert [item.subject for item in place.seen()] == ["Lunch"]


def test_rules_of_the_site_for_whole_domains_and_scores_are_not_a_persons(place: Place) -> None:
    with place.open() as session:
        session.rule(ANNA, "news@example.org", "allow")
        place.server.query("INSERT INTO mailaddr (email) VALUES ('@example.org'), ('a@example.org'), ('b@example.org')")
        for email, said in (("@example.org", "B"), ("a@example.org", "-3.5"), ("b@example.org", "N")):
            place.server.query(
                "INSERT INTO wblist SELECT users.id, mailaddr.id, "
                f"'{said}' FROM users, mailaddr WHERE mailaddr.email = '{email}'"
            )
        assert session.rules([ANNA]) == {(ANNA, "news@example.org"): "allow", (ANNA, "b@example.org"): "block"}
