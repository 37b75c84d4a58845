from __future__ import annotations

import pytest

from core.errors import NotFound
from worker.jobs.artifacts import MEDIA_TYPES, RESULTS, artifact_name, parse_artifact_name


@pytest.mark.parametrize("extension", MEDIA_TYPES)
@pytest.mark.parametrize("variation", [1, 8, 12])
def test_names_are_read_back(variation: int, extension: str) -> None:
    assert parse_artifact_name(artifact_name(variation, extension)) == (variation, extension)


@pytest.mark.parametrize(
    "name",
    ["", "continuation-0.mid", "continuation-01.mid", "continuation-1.exe", "continuation-1.mid\n", "../continuation-1.mid",
     "continuation-١.mid", "continuation-100.mid", "Continuation-1.mid"],
)  # fmt: skip
def test_other_names_are_not_found(name: str) -> None:
    with pytest.raises(NotFound):
        parse_artifact_name(name)


def test_results_have_media_types() -> None:
    assert set(RESULTS) <= set(MEDIA_TYPES)
