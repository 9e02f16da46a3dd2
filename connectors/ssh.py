"""What every ssh of ours is told, whatever the connector says beside it."""

UNATTENDED = (
    "-oBatchMode=yes",
    "-oStrictHostKeyChecking=yes",
    "-oClearAllForwardings=yes",
    "-oServerAliveInterval=15",
)
"""No password is asked for, the host's key is known, and an end that is dead is noticed."""
