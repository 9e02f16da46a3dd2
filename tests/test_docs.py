"""The documentation says what is so: commands, codes, words, links."""

import argparse
import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

import collima
from collima.app import parser
from collima.app.config import load
from collima.core.options import BUILT_IN_GUARD, Guard
from tests.servers.slapd import READER, READER_PASSWORD, SUFFIX, slapd

PROJECT = Path(__file__).resolve().parent.parent
README = PROJECT / "README.md"
PAGES = sorted([README, PROJECT / "CHANGELOG.md", *(PROJECT / "docs").rglob("*.md")])
LEVELS = {"info", "warning", "critical"}
CODE = re.compile(r"[a-z]+(?:-[a-z]+)*")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands() -> dict[str, argparse.ArgumentParser]:
    """`run-job`, `collima check` …: what a person types, and its parser."""
    return {"run-job": parser.run_job()} | dict(below("collima", parser.main()))


def below(name: str, one: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """A command, or those that it has: `collima restore find`."""
    subcommands = [action.choices for action in one._actions if isinstance(action, argparse._SubParsersAction)]
    if not subcommands:
        yield name, one
    for choices in subcommands:
        for word, command in choices.items():
            yield from below(f"{name} {word}", command)


def sections(page: Path) -> dict[str, str]:
    """The text below each heading of the second level."""
    _, *parts = re.split(r"^## (.+)$", page.read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def said(one: argparse.ArgumentParser) -> Iterator[str]:
    """Its options and arguments, as they are written."""
    for action in one._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        yield from action.option_strings or [str(action.metavar)]


@pytest.mark.parametrize("name", commands())
def test_each_command_is_in_the_reference_with_each_option_and_no_other(name: str) -> None:
    section = sections(PROJECT / "docs/reference/commands.md")[name]
    table = "\n".join(line.split(" | ")[0].replace("\\|", "|") for line in section.splitlines() if line[:1] == "|")
    wanted = set(said(commands()[name]))
    assert {word for word in wanted if f"`{word}" not in table} == set()
    assert set(re.findall(r"--[a-z-]+", table.replace("|---|---|", ""))) <= wanted


def test_the_reference_has_no_command_that_is_not_there() -> None:
    assert sections(PROJECT / "docs/reference/commands.md").keys() == commands().keys() | {"Other options"}


def typed(page: Path) -> Iterator[str]:
    """Every command of ours in its blocks, without comments."""
    for _, block in BLOCK.findall(page.read_text("utf-8")):
        for line in block.splitlines():
            if match := re.search(r"(?:^|/usr/local/bin/)((?:run-job|collima) .*)", line.partition("  #")[0]):
                yield match[1].rstrip()


TYPED = [(page, line) for page in PAGES for line in typed(page)]


@pytest.mark.parametrize(("page", "line"), TYPED, ids=[f"{page.name}: {line}" for page, line in TYPED])
def test_each_command_in_the_documentation_can_be_typed(page: Path, line: str) -> None:
    program, *arguments = shlex.split(line)
    (parser.run_job() if program == "run-job" else parser.main()).parse_args(arguments)


def finding_codes() -> dict[str, str]:
    """Code -> where it is made: in `Finding(…)` or `tell(…)`, or in a tuple or a call with a level in it."""
    found = {}
    for package in ("collima", "connectors", "jobs"):
        for module in (PROJECT / package).rglob("*.py"):
            nodes = [*ast.walk(ast.parse(module.read_text("utf-8")))]
            types = {id(node.slice) for node in nodes if isinstance(node, ast.Subscript)}  # Literal["good", "warning"]
            for node in nodes:
                if isinstance(node, ast.Call):
                    parts, is_finding = node.args, getattr(node.func, "id", "") in {"Finding", "tell"}
                elif isinstance(node, ast.Tuple) and id(node) not in types:
                    parts, is_finding = node.elts, False
                else:
                    continue
                words = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
                if is_finding or LEVELS.intersection(words):
                    codes = [word for word in words if CODE.fullmatch(word) and word not in LEVELS]
                    found.update(dict.fromkeys(codes, f"{module.name}:{node.lineno}"))
    return found


def test_each_code_of_a_finding_has_its_paragraph_in_the_runbook() -> None:
    runbook = PROJECT / "docs/runbook.md"
    codes = finding_codes()
    assert {code: where for code, where in codes.items() if f"**{code}**" not in runbook.read_text("utf-8")} == {}
    assert set(re.findall(r"\*\*([a-z-]+)\*\*", sections(runbook)["Findings"])) <= codes.keys()


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(PROJECT)) for page in PAGES])
def test_each_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path) if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


def test_the_readme_names_each_word_of_the_guard_and_its_built_in_value() -> None:
    rows = {
        line.split("`")[1]: line for line in README.read_text("utf-8").splitlines() if re.match(r"\| .* \| `", line)
    }
    for word in fields(Guard):
        default = getattr(BUILT_IN_GUARD, word.name)
        row = rows[word.name.replace("_", "-")]
        assert ("off" if default is None else str(default)) in row


def test_the_newest_entry_of_the_changelog_is_this_version() -> None:
    newest = re.search(r"^## (\S+)", (PROJECT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert newest
    assert newest[1] == collima.__version__


def test_the_first_steps_of_the_readme_work_as_written_with_a_real_directory(tmp_path: Path) -> None:
    """Their schedule, with only names of hosts, folders and roles replaced, and each of their commands in turn."""
    steps = sections(README)["First steps with your own LDAP"]
    blocks = BLOCK.findall(steps)
    (schedule,) = (block for language, block in blocks if language == "yaml")
    with slapd(tmp_path / "slapd", PROJECT / "examples/campus.ldif", frame=False) as server:
        secret = tmp_path / "ldap"
        secret.write_text(READER_PASSWORD, "ascii")
        secret.chmod(0o600)
        here = {
            "ldaps://ldap.example.org": f"{server.ldaps}\n    ca-file: {server.ca}",
            "cn=reader,ou=services,dc=example,dc=org": READER,
            "dc=example,dc=org": SUFFIX,
            "/etc/collima/secrets/ldap": str(secret),
            "/var/lib/collima": str(tmp_path),
            "{kind: smtp, host: smtp.example.org}": f"{{kind: maildir, directory: {tmp_path}/mail}}",
            "employeeType=professor": "employeeType=PO",
        }
        for theirs, ours in here.items():
            assert theirs in schedule
            schedule = schedule.replace(theirs, ours)
        config = tmp_path / "schedules.yaml"
        config.write_text(schedule, "utf-8")
        lines = [line for language, block in blocks if not language for line in block.splitlines()]
        for line in lines:
            program, *arguments = shlex.split(line.partition("/usr/local/bin/")[2] or line)
            command = [Path(sys.executable).parent / program, *arguments, "--config", config]
            done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    assert len((tmp_path / "lists/professors").read_text("ascii").splitlines()) > 20
    assert len(list((tmp_path / "mail/new").iterdir())) == 1


SCHEDULES = [
    (page, block)
    for page in PAGES
    for language, block in BLOCK.findall(page.read_text("utf-8"))
    if language == "yaml" and block.startswith("version:")
]


@pytest.mark.parametrize(("page", "block"), SCHEDULES, ids=[page.name for page, _ in SCHEDULES])
def test_each_whole_schedule_in_the_documentation_is_accepted(page: Path, block: str, tmp_path: Path) -> None:
    config = tmp_path / "schedules.yaml"
    config.write_text(block, "utf-8")
    assert load(config).jobs
