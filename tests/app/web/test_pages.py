"""What a person sees and does behind the links of a digest."""

import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from collima.app.web.words import WORDS, size
from collima.core.errors import Refused
from collima.core.quarantine import Action, Holder
from tests.app.web.browser import Browser
from tests.jobs.quarantine_desk import ALIAS, ANNA, END, MARCO, NOW


def test_a_link_to_release_shows_the_message_and_one_button_releases_it(here: Browser) -> None:
    item = here.desk.hold(ALIAS, subject="Verbale della riunione", author="Segreteria <segreteria@example.org>")
    text = here.open(here.item(item, "release"))
    assert "Rilasciare questo messaggio?" in text
    assert "Verbale della riunione" in text
    assert here.desk.held.released == []
    assert here.buttons() == ["release"]
    text = here.press("release")
    assert "Rilasciato" in text
    assert ALIAS in text
    assert here.buttons() == []
    assert here.desk.held.delivered() == [ALIAS]


def test_a_button_that_was_pressed_on_an_old_page_shows_what_happened(here: Browser) -> None:
    item = here.desk.hold()
    url = here.item(item, "release")
    here.open(url)
    here.desk.release(item)
    assert "Rilasciato" in here.press("release")
    assert "Rilasciato" in here.open(url)
    assert here.desk.held.delivered() == [ANNA]


def test_pages_are_in_the_readers_language(here: Browser) -> None:
    assert "Posta trattenuta" in here.open(here.page_of())
    assert here.page is not None
    assert here.page.headers["content-language"] == "it"
    assert "Held mail" in here.open(here.page_of(MARCO))
    assert "This link is not valid" in here.ask("GET", "/quarantena/x", **{"accept-language": "en-GB,en;q=0.9"}).text
    assert "non è valido" in here.ask("GET", "/quarantena/x", **{"accept-language": "de"}).text


def test_every_sentence_is_there_in_every_language() -> None:
    assert WORDS["it"].keys() == WORDS["en"].keys()
    for name, text in WORDS["en"].items():
        assert text.count("%") == WORDS["it"][name].count("%"), name


def test_a_sender_is_allowed_that_is_undone_and_allowed_again(here: Browser) -> None:
    item = here.desk.hold(sender="news@example.org")
    here.open(here.item(item, "allow"))
    assert "news@example.org" in here.press("allow")
    assert here.desk.held.said == {(ANNA, "news@example.org"): "allow"}
    assert here.buttons() == ["undo"]
    assert "Ammettere questo mittente?" in here.press("undo")
    assert here.desk.held.said == {}
    here.press("allow")
    assert here.desk.held.said == {(ANNA, "news@example.org"): "allow"}


def test_block_tells_that_the_sender_was_allowed(here: Browser) -> None:
    item = here.desk.hold(sender="news@example.org")
    here.open(here.item(item, "allow"))
    here.press("allow")
    assert "il contrario" in here.open(here.item(item, "block"))
    assert "Il mittente è bloccato" in here.press("block")
    assert "il contrario" in here.open(here.item(item, "allow"))


@pytest.mark.parametrize(
    ("sender", "told"),
    [("", "senza mittente"), ("rettore@unimore.it", "mittente interno"), ("a b@example.org", "non si può indicare")],
)
def test_a_sender_that_cannot_be_allowed_has_no_button_and_the_page_says_why(
    here: Browser, sender: str, told: str
) -> None:
    url = here.item(here.desk.hold(sender=sender), "allow")
    assert told in here.open(url)
    assert here.buttons() == []
    assert here.ask("POST", url, {"do": "allow"}).status_code == 409
    assert here.desk.held.said == {}


def test_a_link_does_its_own_deed_and_no_other(here: Browser) -> None:
    mine, other = here.desk.hold(sender="news@example.org"), here.desk.hold()
    for deed in ("release", "allow", "block"):
        for does in ("release", "allow", "block", "undo", "off", "on", "forget", "approve", "refuse", "", "x"):
            if does == deed or (does == "undo" and deed != "release"):
                continue
            form = {"do": does, "item": other, "recipient": ANNA, "sender": "news@example.org"}
            assert here.ask("POST", here.item(mine, deed), form).status_code == 400
    assert (here.desk.held.released, here.desk.held.said) == ([], {})
    assert here.desk.holder().off is None


def test_a_next_hop_that_is_down_is_told_and_the_button_stays(here: Browser) -> None:
    item = here.desk.hold()
    here.desk.held.refusing[ANNA] = Refused("451", transient=True)
    here.open(here.item(item, "release"))
    assert "L’ultima volta non è riuscito" in here.press("release")
    here.desk.held.refusing.clear()
    assert "Rilasciato" in here.press("release")


def test_what_was_purged_or_delivered_meanwhile_is_told(here: Browser) -> None:
    item = here.desk.hold()
    here.desk.held.all.clear()
    assert "Non è più trattenuto" in here.open(here.item(item, "release"))
    assert here.page is not None
    assert here.page.status_code == 410
    assert here.ask("POST", here.item(item, "release"), {"do": "release"}).status_code == 410


# ---- a person's own page


def test_the_own_page_shows_what_is_held_now_for_all_addresses(here: Browser) -> None:
    here.desk.hold(ANNA, subject="Primo", score=6.5)
    here.desk.hold(ALIAS, subject="Secondo", category="banned", score=8.0)
    here.desk.hold(MARCO, subject="Di un altro")
    text = here.open(here.page_of())
    assert text.index("Primo") < text.index("Secondo")
    assert "Di un altro" not in text
    assert ALIAS in text
    assert "allegato vietato" in text
    assert len(here.links()) == 6


def test_from_the_own_page_a_message_is_released_with_one_click_and_one_confirmation(here: Browser) -> None:
    here.desk.hold(subject="Primo")
    here.open(here.page_of())
    text = here.open(here.links()[0])
    assert "Torna alla Sua pagina" in text
    assert "Torna alla Sua pagina" in here.press("release")
    assert here.page is not None
    back = here.page.text.partition('<footer><a href="')[2].partition('"')[0]
    assert "Primo" not in here.open(here.url.rpartition("/")[0] + "/" + back)
    assert here.desk.held.delivered() == [ANNA]


def test_a_back_link_of_somebody_else_is_not_shown(here: Browser) -> None:
    url = here.item(here.desk.hold(), "release")
    for page in (here.page_of(MARCO), here.item(here.desk.hold(), "release"), "https://example.org/x", '"><b>'):
        here.open(f"{url}?from={page.rpartition('/')[2]}")
        assert "<footer>" not in here.page.text  # type: ignore[union-attr]


def test_rules_are_listed_and_forgotten(here: Browser) -> None:
    for sender, address in (("a@example.org", ALIAS), ("b@example.org", ANNA)):
        item = here.desk.hold(address, sender=sender)
        here.desk.actions.rule(here.desk.holder(), item, "allow" if address == ALIAS else "block")
    text = here.open(here.page_of())
    assert "a@example.org ammesso" in text
    assert "b@example.org bloccato" in text
    here.press("forget", at=1)
    assert list(here.desk.held.said) == [(ANNA, "b@example.org")]


def test_a_rule_of_somebody_else_is_not_forgotten(here: Browser) -> None:
    here.desk.held.said = {(MARCO, "a@example.org"): "allow"}
    here.desk.actions.rule(here.desk.holder(), here.desk.hold(sender="b@example.org"), "block")
    here.open(here.page_of())
    assert "Non è più trattenuto" in here.press("forget", recipient=MARCO, sender="a@example.org")
    assert len(here.desk.held.said) == 2


def test_what_an_administrator_wrote_is_shown_without_a_button(here: Browser) -> None:
    here.desk.held.said = {(ANNA, "b@example.org"): "block"}
    assert "b@example.org bloccato" in here.open(here.page_of())
    assert "Dimentica" not in here.page.text  # type: ignore[union-attr]
    item = here.desk.hold(sender="b@example.org")
    assert "Il mittente è bloccato" in here.open(here.item(item, "block"))
    assert "Annulla" not in here.page.text  # type: ignore[union-attr]


def test_digests_are_turned_off_and_on_again(here: Browser) -> None:
    here.open(here.page_of())
    assert "Non riceve il messaggio quotidiano" in here.press("off")
    assert here.desk.holder().off is not None
    assert "Ogni mattina riceve" in here.press("on")
    assert here.desk.holder().off is None


def test_whoever_is_not_among_those_who_asked_has_no_digest_to_turn_on(here: Browser) -> None:
    here.desk.know(Holder(ANNA, (ANNA,), "it", asked=False))
    here.open(here.page_of())
    here.press("off")
    assert "on" not in here.buttons()
    assert here.ask("POST", here.page_of(), {"do": "on"}).status_code == 400


def test_unsubscribing_is_one_post_of_a_mail_program(here: Browser) -> None:
    url = here.desk.links.off(ANNA, END)
    assert "Niente più messaggio quotidiano?" in here.open(url)
    assert here.desk.holder().off is None
    answer = here.ask("POST", url, {"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert here.desk.holder().off is not None
    here.open(url)
    here.press("on")
    here.press("off")
    assert here.desk.holder().off is not None


FIELD = '--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n'


@pytest.mark.parametrize(
    ("kind", "body", "off"),
    [
        ('multipart/form-data; boundary="b"', FIELD, True),
        ("Multipart/Form-Data; boundary=b", FIELD, True),
        ("multipart/form-data", FIELD, False),
        ("multipart/form-data; boundary=c", FIELD, False),
        ("multipart/form-data; boundary=b", FIELD.replace("; name", "; x"), False),
        ("multipart/form-data; boundary=b", "--b\r\n\r\n--b--", False),
        (
            "multipart/form-data; boundary=b",
            "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\xff",
            False,
        ),
        ("multipart/form-data; boundary=\xff", FIELD, False),
    ],
)
def test_a_mail_program_may_turn_digests_off_by_a_multipart_form_too(
    here: Browser, kind: str, body: str, off: bool
) -> None:
    headers = {"Content-Type": kind.encode("latin-1")}
    answer = here.ask("POST", here.desk.links.off(ANNA, END), content=body.encode("latin-1"), **headers)  # type: ignore[arg-type]
    assert answer.status_code == (200 if off else 400)
    assert bool(here.desk.holder().off) is off


def many(here: Browser, count: int) -> None:
    """As many messages, each more likely to be spam than the one before."""
    for score in range(count):
        here.desk.hold(score=float(score), subject=f"numero {score}.")


def shown(here: Browser) -> list[int]:
    return [int(number) for number in re.findall(r"numero (\d+)\.", here.text)]


def test_five_thousand_held_messages_are_all_reached_two_hundred_at_a_time(here: Browser) -> None:
    many(here, 5000)
    text = here.open(here.page_of())
    assert "Trattenuti adesso (5000)" in text
    assert "e altri 4800" in text
    seen = shown(here)
    while further := here.link("Mostra altri"):
        assert "Trattenuti adesso (5000)" in here.open(further)
        seen += shown(here)
    assert seen == list(range(5000))
    here.open(here.link("Torna ai primi"))
    assert shown(here) == list(range(200))
    assert here.link("Torna ai primi") == ""


def test_what_is_released_between_two_pages_hides_nothing_and_the_way_back_leads_to_the_same_page(
    here: Browser,
) -> None:
    many(here, 450)
    here.open(here.page_of())
    second = here.link("Mostra altri")
    here.open(here.links()[0])
    here.press("release")
    here.open(second)
    assert shown(here) == list(range(200, 400))
    here.open(here.links()[0])
    assert "Rilasciato" in here.press("release")
    here.open(here.link("Torna alla Sua pagina"))
    assert shown(here) == list(range(201, 401))
    here.press("off")
    assert shown(here) == list(range(201, 401))


def test_a_further_page_is_of_its_owner_alone(here: Browser) -> None:
    many(here, 201)
    here.open(here.page_of())
    further = here.link("Mostra altri")
    assert here.ask("GET", f"{further[:-2]}AA").status_code == 404
    here.desk.hold(MARCO, score=1000.0, subject="di Marco")
    assert "di Marco" not in here.open(further)


# ---- requests


def test_a_banned_attachment_is_asked_for_approved_and_its_fate_shown(here: Browser) -> None:
    item = here.desk.hold(category="banned", subject="Fattura")
    assert "Chiedere questo messaggio?" in here.open(here.item(item, "release"))
    assert "Decide un amministratore" in here.press("release")
    assert "attende un amministratore" in here.open(here.page_of())
    (letter,) = here.desk.letters()
    url = here.desk.links.decide(here.desk.newest("request").id, NOW + timedelta(days=4, hours=19))
    assert urlsplit(url).path.rpartition(".")[0] in letter.replace("=\r\n", "").replace("=\n", "")
    text = here.open(url)
    assert "allegato che non si lascia passare" in text
    assert here.desk.held.delivered() == []
    assert "è stato consegnato" in here.press("approve")
    assert here.desk.held.delivered() == [ANNA]
    assert "Rilasciato" in here.open(here.item(item, "release"))
    assert "approvata e consegnata" in here.open(here.page_of())


def test_a_request_is_refused_and_the_person_is_told_by_the_page(here: Browser) -> None:
    item = here.desk.hold(category="virus")
    here.open(here.item(item, "release"))
    here.press("release")
    here.open(here.desk.links.decide(here.desk.newest("request").id, END))
    assert "È stata rifiutata" in here.press("refuse")
    assert "Un amministratore ha rifiutato" in here.open(here.item(item, "release"))
    assert here.desk.held.delivered() == []


def test_an_approval_that_was_cut_short_is_told_to_whoever_decides_next(here: Browser) -> None:
    item = here.desk.hold(category="virus")
    here.open(here.item(item, "release"))
    here.press("release")
    made = Action(0, "release", ANNA, ANNA, item, "spammer@example.org", "virus", "doing", here.desk.now)
    here.desk.actions.digests.act(made)
    here.desk.now += timedelta(minutes=6)
    text = here.open(here.desk.links.decide(here.desk.newest("request").id, END))
    assert "virus" in text
    assert "forse è già stato consegnato" in text
    assert "è stato consegnato" in here.press("approve")
    assert here.desk.held.delivered() == [ANNA]


def test_a_persons_links_decide_nothing(here: Browser) -> None:
    item = here.desk.hold(category="virus")
    here.open(here.item(item, "release"))
    here.press("release")
    for url in (here.page_of(), here.item(item, "release"), here.item(item, "allow")):
        assert here.ask("POST", url, {"do": "approve"}).status_code == 400
    assert here.desk.newest("request").state == "waiting"


# ---- texts of strangers


def test_what_strangers_wrote_stays_text(here: Browser) -> None:
    nasty = '<script>alert(1)</script>"><img src=x onerror=alert(1)>\u202efdp.exe\r\n\x1b[2J\x00'
    item = here.desk.hold(subject=nasty, author=nasty, sender='"><b>@example.org')
    for url in (here.page_of(), here.item(item, "release"), here.item(item, "allow")):
        here.open(url)
        assert here.page is not None
        assert "<script" not in here.page.text
        assert "<img" not in here.page.text
        assert "<b>" not in here.page.text
        assert not {"\u202e", "\x1b", "\x00"} & set(here.page.text)


def test_a_subject_of_64_kb_is_cut(here: Browser) -> None:
    here.desk.hold(subject="a" * 65536)
    here.open(here.page_of())
    assert len(here.page.text) < 20_000  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("count", "told"), [(0, "0 B"), (999, "999 B"), (1500, "1,5 KB"), (12_345_678, "12 MB"), (5 * 10**12, "5000 GB")]
)
def test_a_size_is_told_as_people_do(count: int, told: str) -> None:
    assert size(count, "it") == told
