"""The scenario that we ship for lists to which only one domain may write, judged by Sympa's own authorisation."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.servers.sympa import Sympa, sympa_here, sympa_server

__all__ = ["sympa_here", "sympa_server"]

PROJECT = Path(__file__).resolve().parents[2]
_JUDGE = """
use lib '/usr/share/sympa/lib';
use Sympa; use Sympa::CLI; use Sympa::List; use Sympa::Scenario;
Sympa::CLI->arrange;
my $list = Sympa::List->new('docenti', shift @ARGV) or die;
my $scenario = Sympa::Scenario->new($list, 'send', name => $list->{admin}{send}{name}) or die;
while (my ($method, $sender) = splice @ARGV, 0, 2) {
    my $result = $scenario->authz($method, {sender => $sender, remote_host => 'mx.example.org'});
    print join(' ', $scenario->{name}, $result->{action}, $result->{reason} // ''), "\\n";
}
"""


@pytest.fixture
def restricted(sympa_here: Sympa) -> Sympa:
    """docenti, set up by the very commands of docs/sympa.md."""
    sympa_here.make("docenti")
    page = (PROJECT / "docs/sympa.md").read_text("utf-8")
    block = re.search(r"```\n(sed [^`]+)```", page)
    assert block
    here = {
        "/etc/sympa/scenari": f"{sympa_here.folder}/etc/scenari",
        "/var/lib/sympa/list_data/liste.unimore.it": str(sympa_here.lists),
        "example\\\\.org": "unimore\\\\.it",
    }
    lines = block[1]
    for theirs, ours in here.items():
        lines = lines.replace(theirs, ours)
    done = subprocess.run(["/bin/bash", "-e"], input=lines, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return sympa_here


def judged(server: Sympa, *cases: tuple[str, str]) -> list[str]:
    """What Sympa says to a message of each (how it came, sender)."""
    done = subprocess.run(
        ["perl", "-e", _JUDGE, server.robot, *(word for case in cases for word in case)],
        env={**os.environ, "SYMPA_CONFIG": str(server.folder / "etc/sympa.conf")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_only_addresses_of_the_domain_may_write(restricted: Sympa) -> None:
    yes = ["prof@unimore.it", "PROF@UNIMORE.IT", "nome.cognome+lista@unimore.it"]
    no = [
        "qualcuno@gmail.com",
        "prof@unimore.it.gmail.com",
        "prof@xunimore.it",
        "prof@studenti.unimore.it",
        "prof@unimore-it.example.org",
        "prof@unimoreXit",
        "unimore.it@gmail.com",
        "prof@unimore.it@gmail.com",
        "",
    ]
    said = judged(restricted, *(("smtp", sender) for sender in [*yes, *no]))
    assert said[: len(yes)] == ["unimore do_it "] * len(yes)
    assert said[len(yes) :] == ["unimore reject send_local_user"] * len(no)


def test_however_a_message_came_the_same_rule_holds(restricted: Sympa) -> None:
    methods = ("smtp", "dkim", "md5", "smime")
    said = judged(restricted, *((m, who) for m in methods for who in ("prof@unimore.it", "prof@gmail.com")))
    assert said == ["unimore do_it ", "unimore reject send_local_user"] * 4


def test_its_weakness_it_trusts_the_from_of_anybody(restricted: Sympa) -> None:
    """It is no proof of identity: a From that was made up passes. The rule of the MTA beside it is in docs/sympa.md."""
    assert judged(restricted, ("smtp", "rettore@unimore.it")) == ["unimore do_it "]


def test_where_each_message_is_confirmed_the_address_itself_is_asked(restricted: Sympa) -> None:
    scenario = restricted.folder / "etc/scenari/send.unimore"
    rule = "match([sender],/@unimore\\.it$/)"
    text = scenario.read_text().replace(
        "smtp,dkim,md5,smime    -> do_it", f"smtp,dkim -> request_auth\n{rule} md5,smime -> do_it"
    )
    scenario.write_text(text)
    said = judged(restricted, ("smtp", "prof@unimore.it"), ("md5", "prof@unimore.it"), ("md5", "prof@gmail.com"))
    assert [line.split()[1] for line in said] == ["request_auth", "do_it", "reject"]
