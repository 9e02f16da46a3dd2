"""schedules.yaml: found, read with its lines, checked as a whole, and turned into frozen options."""

from collima.app.config.faults import Fault, Invalid
from collima.app.config.load import find, load, read
from collima.app.config.model import Config, Connector, Days, Defaults, Freeze, Job, Keep, Reports, Reserved, Retry

__all__ = [
    "Config",
    "Connector",
    "Days",
    "Defaults",
    "Fault",
    "Freeze",
    "Invalid",
    "Job",
    "Keep",
    "Reports",
    "Reserved",
    "Retry",
    "find",
    "load",
    "read",
]
