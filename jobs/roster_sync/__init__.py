"""The job kind `roster-sync`: rosters (lists, groups) filled from the directory by filters."""

from dataclasses import dataclass

from collima.core.ports import Context
from jobs.roster_sync.options import Options
from jobs.roster_sync.sync import Sync


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterSync(Options):
    """Fills rosters (lists, groups) of a target with the people that LDAP filters find."""

    def bind(self, context: Context) -> Sync:
        return Sync(self, context)
