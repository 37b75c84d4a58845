"""How many places a call may take: enough to be worth its overhead, few enough that those who wait are heard."""

from __future__ import annotations

CALL_SECONDS = 0.03
FEWEST_STEPS, MOST_STEPS = 1, 32


class Pace:
    """Of one model, from what its last call took. It changes when things happen, never what comes out."""

    def __init__(self) -> None:
        self._seconds_per_step, self._streams = 0.002, 1

    def steps(self, streams: int) -> int:
        """For a call with so many streams; more of them are taken to take in proportion."""
        expected = self._seconds_per_step * max(1.0, streams / self._streams)
        return int(min(MOST_STEPS, max(FEWEST_STEPS, CALL_SECONDS / expected)))

    def note(self, streams: int, steps: int, seconds: float) -> None:
        self._seconds_per_step, self._streams = max(seconds / steps, 1e-6), streams
