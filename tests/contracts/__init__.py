"""One suite for each port, run on every connector that offers it."""
