import contextlib
from datetime import UTC, datetime

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from collima.app.when import MANUAL, when


@pytest.mark.parametrize(
    ("text", "cron"),
    [
        ("daily at 05:30", "30 5 * * *"),
        ("Daily  at 00:00", "0 0 * * *"),
        ("weekly on sunday at 02:00", "0 2 * * 0"),
        ("weekly on saturday at 22:05", "5 22 * * 6"),
        ("monthly on the 1st at 06:00", "0 6 1 * *"),
        ("monthly on the 22nd at 23:59", "59 23 22 * *"),
        ("every 15 minutes", "*/15 * * * *"),
        ("every 1 minute", "*/1 * * * *"),
        ("every 60 minutes", "0 * * * *"),
        ("every 6 hours", "0 */6 * * *"),
        ("30 5 * * *", "30 5 * * *"),
        ("0 5  L * mon-fri", "0 5 l * mon-fri"),
    ],
)
def test_a_schedule_is_a_cron_line_underneath(text: str, cron: str) -> None:
    assert when(text).cron == cron
    assert str(when(text)) == text
    next(CronSim(cron, datetime(2027, 1, 1, tzinfo=UTC)))


def test_a_manual_job_has_no_cron_line() -> None:
    assert when("manual") is MANUAL
    assert MANUAL.manual


@pytest.mark.parametrize(
    "text",
    [
        "",
        "daily",
        "daily at 5:30",
        "daily at 24:00",
        "weekly on someday at 02:00",
        "monthly on the 0th at 02:00",
        "monthly on the 29th at 02:00",
        "every 0 minutes",
        "every 7 minutes",
        "every 5 hours",
        "every 2 days",
        "* * * *",
        "0 0 5 * * *",
        "60 * * * *",
        "0 24 * * *",
        "0 0 30 2 *",
        "0 0 */29 2 mon#2",
        "0 0 * * mon-",
        "٣ 5 * * *",
        "@daily",
    ],
)
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".{20}"):
        when(text)


@given(
    st.text() | st.lists(st.text("0123456789*/,-#L ?", min_size=1, max_size=6), min_size=5, max_size=5).map(" ".join)
)
def test_any_text_is_a_schedule_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert when(text).cron or when(text).manual
