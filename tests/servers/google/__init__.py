"""Google Workspace for tests: the Directory, Groups Settings and Reports APIs over real HTTP, as unkind as one wants.

README.md says what is like the real thing, and from where it is known.
"""

from tests.servers.google.faults import DROP_AFTER, DROP_BEFORE, DROP_WITHIN, Bucket, Faults
from tests.servers.google.server import Emulator, Process, emulator, emulator_process
from tests.servers.google.store import Domain

__all__ = [
    "DROP_AFTER",
    "DROP_BEFORE",
    "DROP_WITHIN",
    "Bucket",
    "Domain",
    "Emulator",
    "Faults",
    "Process",
    "emulator",
    "emulator_process",
]
