"""Alembic runs this. The connection comes from `collima.state.upgrade`; nothing is read from a file."""

from alembic import context

from collima.state.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters few things in place
)
with context.begin_transaction():
    context.run_migrations()
