"""kill -9 at any moment of sending mail, and a relay that is slow and cuts connections."""

from pathlib import Path

import pytest

from tests.app.campaign import campaign
from tests.soak import size

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

KILLS = size("COLLIMA_SOAK_KILLS", 300, 30)
SEED = size("COLLIMA_SOAK_SEED", 20261124, 20261124)


def test_no_mail_is_lost_and_none_comes_twice_without_a_doubt(tmp_path: Path) -> None:
    campaign(tmp_path, kills=KILLS, mails=KILLS * 20, seed=SEED)
