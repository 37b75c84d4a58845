"""The benches of the kernel on tiny networks: every row is made, and what is said to be equal is compared."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from bench_toys import last_json, toy_checkpoint, write_performances, write_text, write_tunes
from toys import toy

from bench import engine, exact
from bench.native_peer import Native, music_model, token_model, weight_bytes
from bench.peers.peer import Sizes
from bench.whole_engine import jobs_through_the_engine
from core.training.drums import DrumCorpus
from core.training.folk import FolkCorpus
from core.training.shakespeare import TextCorpus

TINY = Sizes(1, 64, 40)


def test_ours_runs_beside_the_naive_loop() -> None:
    with torch.inference_mode():
        found = engine.against_naive(TINY, (1, 3), 0.05, None)
    assert [(measurement.unit, measurement.value > 0) for measurement in found] == [("tokens/s", True), ("×", True)] * 2


def test_the_music_model_is_fed_by_31_features_and_goes_on_when_a_piece_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "LARGE", TINY)
    assert [measurement.unit for measurement in engine.music_share(0.05)] == ["%", "%"]
    peer = Native(music_model(TINY), 2)
    before = peer._taking_part
    peer.run(20_000)
    assert peer._taking_part is not before


def test_jobs_go_through_the_engine() -> None:
    assert jobs_through_the_engine(token_model(TINY), 3) > 0


def test_a_lone_stream_reads_layers_and_head() -> None:
    assert weight_bytes(token_model(TINY)) == 4 * 64 * 64 + 40 * 64


def test_tokens_are_compared_in_every_circumstance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "LARGE", TINY)
    assert [measurement.value for measurement in exact.sameness((2, 5))] == [100.0, 100.0]
    draws = exact.stream_of
    monkeypatch.setattr(exact, "stream_of", lambda decoder, seed: draws(decoder, seed + random.randrange(9)))
    assert exact.equal_share("a token", token_model, (2, 5)).value < 100.0


def test_a_network_in_four_bits_has_fifteen_values_in_a_row() -> None:
    coarse = exact.in_four_bits(toy("folk").model)
    row = coarse.lstm[0].weight_hh_l0[0].detach()
    assert len({round(float(value), 5) for value in row}) <= 15


def test_bench_exact_quick(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, write, corpus in (
        ("tinyshakespeare", write_text, TextCorpus),
        ("folk_tunes_abc", write_tunes, FolkCorpus),
        ("groove_midi", write_performances, DrumCorpus),
    ):
        write(tmp_path / name)
        checkpoint = {"tinyshakespeare": "shakespeare", "folk_tunes_abc": "folk", "groove_midi": "drums"}[name]
        toy_checkpoint(tmp_path / "checkpoints", checkpoint, corpus(tmp_path / name, {}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "LARGE", TINY)
        exact.main(["--data", str(tmp_path), "--checkpoints", str(tmp_path / "checkpoints"), "--quick"])
    figures = last_json(capsys.readouterr().out)["figures"]
    assert [figure["unit"] for figure in figures] == ["%"] * 3 + ["% equal"] * 2
    assert all(abs(figure["value"]) < 5 for figure in figures[:3])
