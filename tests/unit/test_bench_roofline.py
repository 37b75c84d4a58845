"""The roofline says what this machine can do at best, or why it does not know."""

from __future__ import annotations

import pytest
from service import missing

from bench import roofline
from bench.roofline import Level, Roofline, cache_bytes, measure
from core.native.build import find_compiler

KNOWN = Roofline(
    (Level("L1", 32_000, 16_000, 200e9), Level("L2", 500_000, 250_000, 100e9), Level("memory", None, 10**8, 10e9)),
    {"slow": 50e9, "quick": 100e9},
)


def test_weights_live_in_the_fastest_level_that_holds_them() -> None:
    assert [KNOWN.home(count).name for count in (1, 32_000, 32_001, 500_000, 500_001)] == ["L1", "L1", "L2", "L2", "memory"]


def test_a_step_takes_as_long_as_the_slower_of_reading_and_multiplying() -> None:
    assert KNOWN.least_step_seconds(10**6, 10**6) == pytest.approx(1e-4)  # read from memory
    assert KNOWN.least_step_seconds(10**6, 10**6, streams=32) == pytest.approx(3.2e-4)  # multiplied
    assert KNOWN.fastest == ("quick", 100e9)


def test_the_machine_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    if find_compiler() is None:
        missing("a C++ compiler")
    monkeypatch.setattr(roofline, "MEMORY_BYTES", (1 << 24, 1 << 24))
    monkeypatch.setattr(roofline, "ROUNDS", 2)
    said: list[str] = []
    found = measure(said.append)
    assert said == []
    assert found is not None
    assert [level.name for level in found.levels] == [*(f"L{level}" for level in sorted(cache_bytes())), "memory"]
    assert all(1e8 < level.bytes_per_second < 1e13 for level in found.levels)
    assert all(1e8 < rate < 1e14 for rate in found.multiply_adds.values())
    assert "GB/s read" in str(found)


def test_no_compiler_is_one_sentence_and_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", "")
    said: list[str] = []
    assert measure(said.append) is None
    (sentence,) = said
    assert "no C++ compiler" in sentence


def test_a_compiler_that_fails_is_one_sentence_and_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "false")
    said: list[str] = []
    assert measure(said.append) is None
    assert len(said) == 1
