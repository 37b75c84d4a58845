from __future__ import annotations

import numpy as np
from core_strategies import melodies
from hypothesis import given, settings
from hypothesis import strategies as st

from core.music.context import MusicContext
from core.music.piece import Note, Piece, Track
from core.music.tokenizer import MusicTokenizer
from core.music.vocabulary import END
from core.training import drums, folk
from core.training.batches import Batch, Score
from core.training.buckets import Sequence
from core.training.music_batches import play
from core.training.shakespeare import windows

FOLK, DRUMS = MusicTokenizer(folk.VOCABULARY), MusicTokenizer(drums.VOCABULARY)


def sequence(tokens: list[int], units: int = 1) -> Sequence:
    return Sequence(np.array(tokens), np.ones(len(tokens), np.float32), 0, units)


def rows_of(batches: list[tuple[Batch, int]], rows: int) -> list[list[int]]:
    """The targets that each row was given, one list for each time it began anew."""
    found: list[list[int]] = []
    current: list[list[int]] = [[] for _ in range(rows)]
    for batch, _ in batches:
        for row in range(rows):
            if batch.fresh[row]:
                found.append(current[row])
                current[row] = []
            current[row] += batch.targets[batch.weights[:, row] > 0, row].tolist()
    return [tokens for tokens in [*found, *current] if tokens]


@given(st.lists(melodies(), min_size=1, max_size=5), st.integers(1, 3), st.integers(3, 40))
@settings(deadline=None, max_examples=10)
def test_every_sequence_is_played_once_from_its_start_to_its_end(cases: list[tuple], rows: int, chunk: int) -> None:
    encoded = [FOLK.encode(*case) for case in cases]
    batches = list(play(FOLK.vocabulary, iter([sequence(tokens) for tokens in encoded]), rows, chunk))
    assert sorted(rows_of(batches, rows)) == sorted(tokens[1:] for tokens in encoded)
    assert sum(units for _, units in batches) == len(encoded)
    for batch, _ in batches:
        assert batch.allowed is not None
        assert len(batch.targets) <= chunk
        at = np.arange(len(batch.targets))[:, None], np.arange(rows)[None, :], batch.targets
        assert batch.allowed[at].all()  # no target is ever forbidden, not even where nothing is scored
        assert (batch.features < np.array(MusicContext(FOLK.vocabulary, 1).feature_sizes())).all()


def test_a_row_sees_in_training_what_it_sees_in_decoding() -> None:
    tune = Piece(24, (Track(tuple(Note(12 * place, 12, 60 + place % 5) for place in range(32))),))
    tokens = FOLK.encode(tune, {"meter": "4/4", "key": "C major"})
    context = MusicContext(FOLK.vocabulary, 1)
    context.reset(0)
    played = play(FOLK.vocabulary, iter([sequence(tokens)]), 1, 16)
    seen = [part for batch, _ in played for part in zip(*_columns(batch), strict=True)]
    for token, (features, references, allowed) in zip(tokens[1:], seen, strict=False):
        now = context.inputs()
        assert np.array_equal(features, now[0])
        assert np.array_equal(references, now[1])
        assert np.array_equal(allowed, now[2])
        context.advance(np.array([token]))


def _columns(batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    assert batch.allowed is not None
    return batch.features, batch.references, batch.allowed


def test_where_the_ending_is_not_scored_it_is_not_offered() -> None:
    hits = Piece(4, (Track(tuple(Note(place, 1, 36) for place in range(32)), percussion=True),))
    tokens = DRUMS.encode(hits, {"meter": "4/4"}, end=False)
    for batch, _ in play(DRUMS.vocabulary, iter([sequence(tokens)]), 1, 8, ending=False):
        assert batch.allowed is not None
        assert not batch.allowed[batch.weights > 0][:, END].any()


def test_windows_are_disjoint_and_each_starts_empty() -> None:
    tokens = np.arange(50)
    batches = list(windows(tokens, 8, rows=4, offsets=(0,)))
    assert sum(units for _, units in batches) == 6 * 8
    seen = np.concatenate([batch.targets.T.ravel() for batch, _ in batches])
    assert np.array_equal(seen, np.arange(1, 49))
    assert all(batch.fresh.all() for batch, _ in batches)
    assert all(np.array_equal(batch.features[:, :, 0] + 1, batch.targets) for batch, _ in batches)


def test_a_score_is_nats_over_units() -> None:
    assert Score(6.0, 4).nats_per_unit == 1.5
    assert Score(0.0, 0).nats_per_unit == 0.0
