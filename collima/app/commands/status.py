"""`collima status`: for Nagios and Icinga, for Munin, for programs, and for a person."""

import logging
import sys
from argparse import Namespace
from datetime import timedelta

from collima.app import munin, outputs, standing, wiring
from collima.app.commands import as_json, command_line, load
from collima.app.standing import Standing
from collima.app.status import Level, Status, judge, unknown, unreachable
from collima.core.errors import ConfigError, StateError
from collima.state.sqlite import check_owner

log = logging.getLogger(__name__)


def status(arguments: Namespace) -> int:
    """Ends as monitoring plugins do: 0 OK, 1 warning, 2 critical, 3 unknown. As a Munin plugin: always with 0."""
    if arguments.munin == "autoconf":
        print("yes")
        return 0
    found, told = _look(arguments)
    if arguments.munin:
        lines = munin.config if arguments.munin == "config" else munin.values
        print("\n".join(lines(munin.graphs(told, found))))
        return 0
    try:
        if arguments.json:
            as_json(_document(told))
        else:
            print(told)
        sys.stdout.flush()
    except OSError as err:
        outputs.unwritable(err)
        return int(Level.UNKNOWN)
    return int(told.level)


def _look(arguments: Namespace) -> tuple[Standing | None, Status]:
    """Whatever happens there is a verdict: exit code 1 of a program that broke would read as a warning."""
    try:
        config = load(arguments)
        with wiring.open_journal(config, command=command_line()) as journal:
            if (file := journal.database.file) is not None:
                try:
                    check_owner(file, command_line())
                except StateError as err:
                    return None, unknown(str(err))
            found = standing.read(config, journal, wiring.utc_now())
        return found, judge(found, silence=timedelta(minutes=arguments.silence), cron=arguments.cron)
    except ConfigError as err:
        return None, unknown(str(err))
    except StateError as err:
        return None, unreachable(str(err))
    except Exception as err:
        log.exception("status cannot be told")
        return None, unknown(f"a fault of this program: {type(err).__name__}")


def _document(told: Status) -> dict[str, object]:
    return {
        "level": told.level.name.lower(),
        "exit_code": int(told.level),
        "summary": told.summary,
        "lines": [
            {"level": one.level.name.lower(), "what": one.what, "name": one.name, "job": one.job, "text": one.text}
            for one in told.lines
        ],
        "figures": {one.name: one.value for one in told.figures},
    }
