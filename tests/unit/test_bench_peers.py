"""The networks that our decoder is measured against are what they say they are, and none of them is handicapped."""

from __future__ import annotations

import pytest
import torch

from bench.peers.cell import Cell
from bench.peers.naive import Naive
from bench.peers.peer import LARGE, SMALL, Sizes, Stepwise, race, tokens_per_second
from bench.peers.sampling import draw_given, draw_usual
from bench.peers.transformer import PRECISIONS, SHAPES, Transformer, faster_transformer

TINY = Sizes(3, 16, 24)
STREAMS = 3


@pytest.fixture(autouse=True)
def _tiny_transformer(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setitem(SHAPES, TINY, type(SHAPES[SMALL])(2, 16, 2))


@torch.inference_mode()
def test_both_loops_are_the_same_network() -> None:
    naive, cell = Naive(TINY, STREAMS), Cell(TINY, STREAMS)
    chooser = torch.Generator().manual_seed(5)
    for _ in range(6):
        tokens = torch.randint(TINY.vocabulary, (STREAMS,), generator=chooser)
        torch.testing.assert_close(naive.logits(tokens), cell.logits(tokens), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(("precision", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 3e-2)])
@torch.inference_mode()
def test_the_cache_changes_nothing(precision: torch.dtype, tolerance: float) -> None:
    model = Transformer(TINY, STREAMS, precision=precision)
    tokens = torch.randint(TINY.vocabulary, (STREAMS, 9), generator=torch.Generator().manual_seed(5))
    whole = model.all_logits(tokens)
    for time in range(tokens.shape[1]):
        torch.testing.assert_close(model.logits(tokens[:, time]), whole[:, time], atol=tolerance, rtol=tolerance)


def test_a_transformer_stays_in_its_window() -> None:
    model = Transformer(TINY, 1, position=70, window=3)
    seen = []
    for _ in range(7):
        model.run(1)
        seen.append(model.position)
    assert seen == [71, 72, 73, 71, 72, 73, 71]
    assert model.state_bytes == 2 * 2 * 16 * 70 * 4
    filled = model.cache[..., :70, :]
    assert filled.std() == pytest.approx(1.0, abs=0.1)
    assert filled.abs().amax(dim=-1).min() > 0


def test_the_transformers_are_as_large_as_the_networks_they_stand_beside() -> None:
    for sizes in (SMALL, LARGE):
        assert SHAPES[sizes].weights == pytest.approx(sizes.recurrent_weights, rel=0.1)


def test_the_faster_precision_is_named() -> None:
    chosen = faster_transformer(TINY, 2, position=5, seconds=0.01)
    assert any(f" {name}, position 5" in chosen.name for name in PRECISIONS.values())


def test_every_peer_draws_known_tokens_in_every_stream() -> None:
    for peer in (Naive(TINY, STREAMS), Cell(TINY, STREAMS), Cell(TINY, STREAMS, top_p=1.0), Transformer(TINY, STREAMS)):
        seen = []
        for _ in range(5):
            peer.run(1)
            seen.append(peer.tokens)
        drawn = torch.stack(seen)
        assert drawn.shape == (5, STREAMS)
        assert 0 <= drawn.min() <= drawn.max() < TINY.vocabulary
        assert len(drawn.unique()) > 1


LOGITS = torch.log(torch.tensor([[0.05, 0.5, 0.05, 0.4], [0.1, 0.1, 0.1, 0.7]]))


def test_a_draw_at_a_number_inverts_the_nucleus() -> None:
    cut = {u: draw_given(LOGITS, torch.tensor([u, u]), 0.75).tolist() for u in (0.0, 0.54, 0.57, 0.8, 0.9, 1 - 2**-24)}
    assert [tokens[0] for tokens in cut.values()] == [1, 1, 3, 3, 3, 3]  # 0.5 and 0.4 of 0.9 stay
    assert [tokens[1] for tokens in cut.values()][:4] == [3] * 4
    assert cut[0.9][1] != 3  # of 0.8, 0.7 is its
    assert draw_given(LOGITS, torch.tensor([0.04, 0.71]), 1.0).tolist() == [0, 3]
    assert draw_given(LOGITS, torch.tensor([0.06, 0.29]), 1.0).tolist() == [1, 2]


def test_both_draws_have_the_same_distribution() -> None:
    torch.manual_seed(3)
    rows = torch.randn(1, 12).expand(20_000, 12)
    usual = torch.bincount(draw_usual(rows, 0.9), minlength=12) / len(rows)
    given = torch.bincount(draw_given(rows, torch.rand(len(rows)), 0.9), minlength=12) / len(rows)
    torch.testing.assert_close(usual, given, atol=0.02, rtol=0)
    assert torch.equal(usual > 0, given > 0)
    assert (given == 0).any()


def test_a_race_gives_every_peer_a_figure_a_round() -> None:
    class Sleepless(Stepwise):
        calls = 0

        def step(self, tokens: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            return tokens

    peers = [Sleepless("one", 1), Sleepless("many", 100)]
    one, many = race(peers, 0.02, rounds=4)
    assert len(one) == len(many) == 4
    assert min(one) > 0
    assert sorted(many)[1] > sorted(one)[2]  # a step is a token in each stream
    assert tokens_per_second(peers[0], 0.01) > 0
    assert peers[0].calls > 8
