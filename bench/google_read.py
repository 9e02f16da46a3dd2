"""One reading of all groups: `python -m bench.google_read URL KEY ACT-AS DOMAIN GROUP…` prints what it took."""

import json
import resource
import sys
import time
from pathlib import Path

from bench.clock import Unmeasured
from connectors.google import Google

FAST = "100000 per second"  # where the processor is measured, not the pace


def kind(url: str, key_file: str, act_as: str, domain: str, rate: str) -> Google:
    return Google(domain=domain, key_file=Path(key_file), act_as=act_as, api_url=url, rate=rate)


def main(url: str, key_file: str, act_as: str, domain: str, *groups: str) -> None:
    """Prints seconds of CPU and the peak in MB, of the whole process."""
    with kind(url, key_file, act_as, domain, FAST).open() as session:
        rosters = session.read(groups)
        everybody = {member for roster in rosters.values() for member in roster.members}
        known = [session.identify(session.address(member).upper()) for member in everybody]
    if None in known or any(roster.fault for roster in rosters.values()):
        raise Unmeasured("not everybody is known, or not every group is read")
    print(json.dumps({"cpu": time.process_time(), "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


if __name__ == "__main__":
    main(*sys.argv[1:])
