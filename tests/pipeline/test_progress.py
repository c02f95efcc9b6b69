"""What a stage says of its progress: a rate that can be read, and no time left before there is a pace to go by."""

from types import SimpleNamespace

import pytest

from pipeline import progress
from pipeline.progress import Track

NOW = 1000.0


@pytest.fixture(autouse=True)
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is NOW, and every step is told."""
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: NOW))
    monkeypatch.setattr(progress, "LINE_EVERY_SECONDS", -1.0)


@pytest.mark.parametrize(
    ("done", "seconds", "said"),
    [
        (10, 60.0, "solve: 10/100 10.0/min\n"),  # a tenth is not yet a pace
        (20, 60.0, "solve: 20/100 20.0/min, 4 min left\n"),
        (90, 45.0, "solve: 90/100 2.0/s, 5 s left\n"),
        (100, 50.0, "solve: 100/100 2.0/s, 0 s left\n"),
    ],
)
def test_time_left_is_told_once_there_is_a_pace(
    done: int, seconds: float, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Track("solve", 100, started=NOW - seconds, _said=0.0).advance(done)
    assert capsys.readouterr().err == said


def test_what_an_earlier_session_did_is_no_pace(capsys: pytest.CaptureFixture[str]) -> None:
    track = Track("solve", 100, started=NOW - 60, _said=0.0)
    track.skip(60)
    track.advance(4)
    track.advance(6)
    assert capsys.readouterr().err.splitlines() == [
        "solve: 60/100 0.0/min",
        "solve: 64/100 4.0/min",
        "solve: 70/100 10.0/min, 3 min left",
    ]
