"""`collima retire`, `person`, `migrate`, `purge`, `kinds`."""

from argparse import Namespace
from collections.abc import Sequence

from rich.console import Console

from collima.app import reference, wiring
from collima.app.commands import as_json, opened, print_steps
from collima.app.config import Config
from collima.app.config.faults import did_you_mean
from collima.app.kinds import KINDS, load_kind
from collima.app.sessions import connector
from collima.app.terminal import table
from collima.core.errors import ConfigError
from collima.core.options import address
from collima.core.targets import Adoptable, Step


def retire(arguments: Namespace) -> int:
    with opened(arguments) as (config, journal):
        targets = journal.archive.managed(arguments.name)
        if arguments.target:
            targets = {name: owned for name, owned in targets.items() if name == arguments.target}
        if not targets:
            raise ConfigError(f"no job manages a roster {arguments.name}: names are as `run-job JOB --json` lists them")
        if len(targets) > 1:
            raise ConfigError(f"{arguments.name} is at {', '.join(sorted(targets))}: say which with --target")
        ((target, owned),) = targets.items()
        job = config.jobs.get(owned.job)
        if owned.frozen is None and job and getattr(job.options, "target", target) == target:
            raise ConfigError(
                f"{owned.job} still manages {arguments.name}: take its stanza out of the file, let the job run once, "
                "then retire it"
            )
        steps = () if arguments.forget else _ending(config, target, arguments.name, close=arguments.close)
        journal.retire(target, arguments.name)
    print(f"{arguments.name} is no longer managed: it stays as it is, and any job may take it over; its history stays")
    if steps:
        print(f"what is left to do at {target}:")
    elif arguments.close:
        print(f"{target} has nothing to close: delete there what nobody reads any more")
    print_steps(steps)
    return 0


def _ending(config: Config, target: str, name: str, *, close: bool) -> Sequence[Step]:
    """What a person does at the target; nothing where it is not in the file any more, or has no such steps."""
    known = config.connectors.get(target)
    if known is None or known.options is None:
        return ()
    with connector(config, target) as session:
        return session.ending(name, close=close) if isinstance(session, Adoptable) else ()


def person(arguments: Namespace) -> int:
    try:
        who = address(arguments.address)
    except ValueError as err:
        raise ConfigError(f"{arguments.address!r} is {err}") from err
    with opened(arguments) as (config, journal):
        if arguments.forget:
            counts = journal.forget(who)
            told = ", ".join(f"{n} in {name}" for name, n in counts.items()) or "nothing was stored"
            if arguments.json:
                as_json(counts)
            else:
                print(f"forgotten: {told}. The directory, the targets and older backups are not Collima's to change")
            return 0
        traces = journal.person(who)
    if arguments.json or arguments.export:
        as_json({"address": who, **{name: getattr(traces, name) for name in traces.__slots__}})
        return 0
    console = Console()
    zone = config.timezone
    rows = [
        (f"{c.intended.astimezone(zone):%Y-%m-%d %H:%M}", c.run, c.key.subject, c.key.verb, c.outcome)
        for c in traces.changes
    ]
    table(console, ["when", "run", "subject", "verb", "outcome"], rows)
    counts = {"holds": len(traces.holds), "approvals": len(traces.approvals), "absences": len(traces.absences)}
    counts |= {"undone": len(traces.undone), "texts": sum(traces.told.values())}
    console.out(", ".join(f"{name}: {count}" for name, count in {"changes": len(rows), **counts}.items()))
    return 0


def migrate(arguments: Namespace) -> int:
    with opened(arguments) as (_, journal):
        before, after = journal.migrate()
    print(f"schema {after}" if before == after else f"schema {before} is now schema {after}")
    return 0


def purge(arguments: Namespace) -> int:
    with opened(arguments) as (config, journal):
        now = wiring.utc_now()
        counts = wiring.purge(config, journal, now)
    if arguments.json:
        as_json(counts)
    else:
        print("deleted: " + ", ".join(f"{n} {name}" for name, n in counts.items()))
    return 0


def kinds(arguments: Namespace) -> int:
    if arguments.kind:
        return _kind(arguments)
    families = (("connector", KINDS.connectors), ("job", KINDS.jobs))
    rows = [
        (sort, name, _first(reference.about(family.load(name))) if name in family.built else "not built yet")
        for sort, family in families
        for name in family.names
    ]
    if arguments.json:
        as_json([{"sort": sort, "kind": name, "about": told} for sort, name, told in rows])
    else:
        table(Console(), ["", "kind", "about"], rows)
    return 0


def _kind(arguments: Namespace) -> int:
    try:
        cls = load_kind(arguments.kind)
    except KeyError as err:
        known = {*KINDS.connectors.names, *KINDS.jobs.names}
        raise ConfigError(f"there is no kind {arguments.kind!r}{did_you_mean(arguments.kind, known)}") from err
    if cls is None:
        raise ConfigError(f"the kind {arguments.kind} is not built yet")
    options = reference.options(cls)
    if arguments.json:
        as_json([{"name": o.name, "written": o.written, "required": o.required, "about": o.doc} for o in options])
        return 0
    console = Console()
    console.print(reference.about(cls), highlight=False, markup=False)
    rows = [(o.name, o.written, "required" if o.required else o.default, o.doc) for o in options]
    table(console, ["option", "written as", "default", "about"], rows)
    return 0


def _first(text: str) -> str:
    """The first sentence."""
    return text.split("\n\n", maxsplit=1)[0].replace("\n", " ").split(". ")[0].removesuffix(".")
