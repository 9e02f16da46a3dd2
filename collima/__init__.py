"""Collima keeps lists, groups, accounts and copies of mail lined up with the directory."""

__version__ = "0.2.0"
