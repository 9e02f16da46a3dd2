"""What outlives a run, over SQLAlchemy Core: `open_state`."""

from collima.state.journal import SqlJournal, open_state

__all__ = ["SqlJournal", "open_state"]
