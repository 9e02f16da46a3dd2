import io
import sys

import pytest

from collima.app import outputs


def test_what_an_encoding_does_not_have_is_no_reason_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", stream)
    outputs.ensure()
    stream.write("43 of 311 …\n")
    stream.flush()
    assert stream.buffer.getvalue() == b"43 of 311 ?\n"  # type: ignore[attr-defined]
