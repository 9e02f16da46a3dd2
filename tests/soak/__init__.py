"""Long campaigns: `make soak`."""

import os


def size(variable: str, usual: int, short: int) -> int:
    """How big a campaign is: what the environment says, or `short` when COLLIMA_SOAK=short."""
    return int(os.environ.get(variable) or (short if os.environ.get("COLLIMA_SOAK") == "short" else usual))
