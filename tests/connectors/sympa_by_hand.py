"""What people do at a Sympa: type lines that are printed, and look at its tables."""

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.servers.sympa import Sympa


def typed(server: Sympa, *blocks: Iterable[str], folder: Path, check: bool = True) -> None:
    """Pastes blocks of lines into a shell one after the other, as root on Sympa's machine."""
    env = {**os.environ, "PATH": f"{server.command.parent}:{os.environ['PATH']}", "HOME": str(folder)}
    (folder / ".my.cnf").write_text(f"[client]\nsocket={server.database.socket}\n")
    for block in blocks:
        lines = list(block)
        done = subprocess.run(
            ["/bin/bash"],
            input="\n".join(lines),
            env=env,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert not check or done.returncode == 0, f"{lines}\n{done.stdout}{done.stderr}"


def rows(server: Sympa, name: str) -> dict[str, tuple[bool, bool]]:
    """(by hand, by a source) of each member."""
    found = server.query(
        "SELECT user_subscriber, subscribed_subscriber, inclusion_subscriber IS NOT NULL FROM subscriber_table "
        "WHERE list_subscriber = %s",
        name,
    )
    return {str(address): (by_hand == 1, included == 1) for address, by_hand, included in found}


def excluded(server: Sympa, name: str) -> set[str]:
    return {
        str(row[0])
        for row in server.query("SELECT user_exclusion FROM exclusion_table WHERE list_exclusion = %s", name)
    }


def put(server: Sympa, name: str, address: str, *, by_hand: bool, label: str | None, reception: str = "mail") -> None:
    """A member's row, as Sympa leaves it."""
    server.query(
        "INSERT INTO subscriber_table (list_subscriber, robot_subscriber, user_subscriber, subscribed_subscriber, "
        "inclusion_subscriber, inclusion_label_subscriber, date_epoch_subscriber, update_epoch_subscriber, "
        "reception_subscriber, visibility_subscriber, number_messages_subscriber) "
        "VALUES (%s, %s, %s, %s, %s, %s, 1700000000, 1700000000, %s, 'noconceal', 0)",
        *(name, server.robot, address, int(by_hand), 1700000000 if label else None, label, reception),
    )
