"""The programs as their users run them, against real servers."""
