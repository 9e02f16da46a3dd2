"""What outlives a run, over SQLAlchemy Core."""
