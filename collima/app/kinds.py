"""The kinds of connectors and jobs: a name in schedules.yaml, and the class whose fields are its options.

Adding a kind is one module and one line here. Only the kinds in use are imported.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

CONNECTORS = {
    "accounts-file": "connectors.accounts_file:AccountsFile",
    "amavis": "connectors.amavis:Amavis",
    "btrfs": "connectors.btrfs:Btrfs",
    "dovecot": "connectors.dovecot:Dovecot",
    "google": "connectors.google:Google",
    "ldap": "connectors.ldap:Ldap",
    "ldif": "connectors.ldif:Ldif",
    "list-files": "connectors.list_files:ListFiles",
    "maildir": "connectors.maildir:Maildir",
    "rsync": "connectors.rsync:Rsync",
    "smtp": "connectors.smtp:Smtp",
    "snapshot-command": "connectors.snapshot_command:SnapshotCommand",
    "snapshot-folder": "connectors.snapshot_folder:SnapshotFolder",
    "sqlite-quarantine": "connectors.sqlite_quarantine:SqliteQuarantine",
    "sympa": "connectors.sympa:Sympa",
}
JOBS = {
    "account-expiry": "jobs.account_expiry:AccountExpiry",
    "archive-retention": "jobs.archive_retention:ArchiveRetention",
    "copy-verify": "jobs.copy_verify:CopyVerify",
    "quarantine-digest": "jobs.quarantine_digest:QuarantineDigest",
    "quarantine-purge": "jobs.quarantine_purge:QuarantinePurge",
    "restore": "jobs.restore:Restore",
    "mailbox-copy": "jobs.mailbox_copy:MailboxCopy",
    "roster-sync": "jobs.roster_sync:RosterSync",
    "snapshot-check": "jobs.snapshot_check:SnapshotCheck",
}

CONNECTORS_TO_COME: frozenset[str] = frozenset()
JOBS_TO_COME: frozenset[str] = frozenset()
"""Kinds that a schedules.yaml may name already: `check` notes them, a run refuses them."""


@dataclass(frozen=True, slots=True)
class Family:
    """The connectors, or the jobs. `built`: kind -> "module:Class"; `to_come`: kinds that are known only by name."""

    built: Mapping[str, str]
    to_come: frozenset[str] = frozenset()

    def __contains__(self, kind: str) -> bool:
        return kind in self.built or kind in self.to_come

    @property
    def names(self) -> list[str]:
        return sorted([*self.built, *self.to_come])

    def load(self, kind: str) -> type[Any] | None:
        """The class of a kind, imported now; None when it is not built yet. Raises KeyError for an unknown one."""
        if kind in self.to_come:
            return None
        module, _, name = self.built[kind].partition(":")
        loaded: type[Any] = getattr(import_module(module), name)
        return loaded


@dataclass(frozen=True, slots=True)
class Kinds:
    connectors: Family = field(default_factory=lambda: Family(CONNECTORS, CONNECTORS_TO_COME))
    jobs: Family = field(default_factory=lambda: Family(JOBS, JOBS_TO_COME))


KINDS = Kinds()


def load_kind(name: str) -> type[Any] | None:
    """The class of a connector's or a job's kind. None: not built yet. Raises KeyError for an unknown one."""
    return (KINDS.connectors if name in KINDS.connectors else KINDS.jobs).load(name)
