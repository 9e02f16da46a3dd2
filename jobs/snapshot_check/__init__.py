"""The job kind `snapshot-check`: whether the snapshots of each volume are there, fresh, without holes, and pruned."""

from dataclasses import dataclass

from collima.core.ports import Context
from jobs.snapshot_check.check import Check
from jobs.snapshot_check.options import Options


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotCheck(Options):
    """Looks whether the snapshots of each volume are there: fresh, without holes, none too old, none in the future.

    It changes nothing: what is wrong is a finding. Recipes for storage systems are in docs/snapshots.md.
    """

    def bind(self, context: Context) -> Check:
        return Check(self, context)
