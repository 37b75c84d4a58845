"""The usual nn.LSTM loop, the peer of bench.path, does the same work as the engine does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from bench_toys import toy_checkpoint

from bench.lstm_loop import generate_in_loop, nucleus_sample
from bench.path import BARS, job, percentiles, usual_loop
from core.catalog import Catalog
from core.checkpoint import LoadedModel, load_checkpoint
from core.music.midi import read_midi
from core.training.folk import VOCABULARY, FolkCorpus
from worker.jobs.admission import admit
from worker.jobs.briefing import brief_of
from worker.jobs.request import GenerationRequest


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)  # as the benches have: threads that wait for each other on a busy machine take minutes


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedModel:
    corpus = FolkCorpus.__new__(FolkCorpus)  # its sizes need no data
    return load_checkpoint(tmp_path, toy_checkpoint(tmp_path, "folk", corpus))


def test_the_nucleus_keeps_the_likeliest_tokens_alone() -> None:
    torch.manual_seed(1)
    logits = torch.log(torch.tensor([0.05, 0.5, 0.05, 0.4]))
    assert {nucleus_sample(logits, 1.0, 0.8) for _ in range(200)} == {1, 3}
    assert {nucleus_sample(logits, 1.0, 0.4) for _ in range(50)} == {1}
    held = logits.masked_fill(torch.tensor([False, True, False, True]), float("-inf"))
    assert {nucleus_sample(held, 1.0, 1.0) for _ in range(99)} == {0, 2}


def test_the_loop_makes_the_bars_asked_for(loaded: LoadedModel, tmp_path: Path) -> None:
    admitted = admit(GenerationRequest.model_validate(job(loaded.card, BARS, 7)), Catalog(tmp_path))
    done = generate_in_loop(loaded, brief_of(admitted.request, admitted.prime))
    piece = read_midi(done.data)
    assert admitted.prime is not None
    assert piece.end >= (2 + BARS - 1) * piece.bar_ticks()
    assert done.tokens >= BARS
    assert VOCABULARY.size > done.seconds > 0


def test_every_job_of_the_loop_is_measured(loaded: LoadedModel, tmp_path: Path) -> None:
    done = usual_loop(loaded, Catalog(tmp_path), 2)
    assert [each.tokens > 0 and each.seconds > 0 and each.data.startswith(b"MThd") for each in done] == [True, True]


def test_percentiles_of_seconds() -> None:
    assert percentiles(range(1, 102)) == (51.0, 96.0)
