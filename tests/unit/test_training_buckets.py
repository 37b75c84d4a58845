from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.music.piece import Note, Piece, Track
from core.music.tokenizer import MusicTokenizer
from core.music.vocabulary import MusicVocabulary
from core.training import drums, folk
from core.training.batches import Batch
from core.training.buckets import BUCKET, BUCKETS, Sequence, bucketed, endless, lay_out, wasted
from core.training.music_batches import play

FOLK, DRUMS = MusicTokenizer(folk.VOCABULARY), MusicTokenizer(drums.VOCABULARY)
FOLK_LIKE = (np.random.default_rng(0).gamma(5.0, 42.0, 3000)).astype(int) + 30
"""About as long as tunes are: 240 tokens, few over 500."""


def sequence(places: int) -> Sequence:
    return Sequence(np.zeros(places + 1, np.int64), np.ones(places + 1, np.float32))


def stream(lengths: np.ndarray, rows: int, chunk: int, seed: int = 1) -> Iterator[Sequence]:
    made = [sequence(int(length)) for length in lengths]
    return endless(len(made), lambda place, _: made[place], rows, chunk, np.random.default_rng(seed))


@given(st.lists(st.integers(1, 400), min_size=1, max_size=30), st.integers(1, 6), st.integers(5, 100))
@settings(deadline=None)
def test_every_place_of_every_sequence_is_played_once_in_order_in_one_row(lengths: list[int], rows: int, chunk: int) -> None:
    sequences = bucketed([sequence(length) for length in lengths], rows, chunk, None)
    reached: dict[Sequence, tuple[int, int]] = {}
    for laid in lay_out(iter(sequences), rows, chunk):
        assert 1 <= laid.time <= chunk
        assert len(laid.spans) == rows
        for row, span in enumerate(laid.spans):
            if span is not None:
                assert reached.get(span.sequence, (row, 0)) == (row, span.first)
                assert 0 < span.last - span.first <= laid.time
                assert span.last - span.first == laid.time or span.ends  # a row idles only after the end of a sequence
                reached[span.sequence] = row, span.last
    assert {each: last for each, (_, last) in reached.items()} == {each: each.places for each in sequences}


def test_hardly_a_place_is_wasted() -> None:
    rows, chunk = 48, 128
    to_the_chunks_end = -FOLK_LIKE % chunk
    assert to_the_chunks_end.sum() / (FOLK_LIKE + to_the_chunks_end).sum() > 0.15
    assert wasted(itertools.islice(lay_out(stream(FOLK_LIKE, rows, chunk), rows, chunk), 400)) < 0.06


def test_every_epoch_has_every_sequence_once_and_another_order() -> None:
    rows, chunk = 2, 128
    lengths = FOLK_LIKE[: BUCKETS * BUCKET * rows * 3]  # an epoch of three pools
    taken = list(itertools.islice(stream(lengths, rows, chunk), 2 * len(lengths)))
    first, second = taken[: len(lengths)], taken[len(lengths) :]
    assert set(Counter(map(id, first)).values()) == set(Counter(map(id, second)).values()) == {1}
    assert first != second


def test_buckets_hold_like_pieces_and_come_in_random_order() -> None:
    rows, chunk = 4, 128
    random = np.random.default_rng(5)
    pools = [bucketed([sequence(int(n)) for n in random.permutation(FOLK_LIKE[:128])], rows, chunk, random) for _ in range(8)]
    orders = set()
    for pool in pools:
        buckets = [[each.piece(chunk) for each in pool[at : at + BUCKET * rows]] for at in range(0, len(pool), BUCKET * rows)]
        assert all(bucket == sorted(bucket) for bucket in buckets)
        starts = [bucket[0] for bucket in buckets]
        assert sorted(itertools.chain(*buckets)) == [each for bucket in sorted(buckets) for each in bucket]
        orders.add(tuple(np.argsort(starts)))
    assert len(orders) > 3


def tunes() -> Iterator[Sequence]:
    """Tunes of four to twelve bars, for ever."""
    random = np.random.default_rng(2)
    while True:
        count = int(random.integers(2, 7)) * 16
        notes = tuple(Note(12 * place, 12, int(random.integers(60, 72))) for place in range(count))
        tokens = np.array(FOLK.encode(Piece(24, (Track(notes),)), {"meter": "4/4", "key": "C major"}))
        yield Sequence(tokens, np.ones(len(tokens), np.float32))


def beats() -> Iterator[Sequence]:
    random = np.random.default_rng(3)
    while True:
        hits = tuple(Note(int(step), 1, 36) for step in np.flatnonzero(random.random(16 * int(random.integers(2, 20))) < 0.4))
        tokens = np.array(DRUMS.encode(Piece(4, (Track(hits, percussion=True),)), {"meter": "4/4"}, end=False))
        yield Sequence(tokens, np.ones(len(tokens), np.float32))


def same(one: Batch, other: Batch) -> bool:
    names = ("features", "references", "allowed", "targets", "weights", "fresh")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


@pytest.mark.parametrize(("source", "vocabulary"), [(tunes, FOLK.vocabulary), (beats, DRUMS.vocabulary)], ids=["folk", "drums"])
def test_a_stream_taken_up_again_goes_on_with_the_same_batches(
    source: Callable[[], Iterator[Sequence]], vocabulary: MusicVocabulary
) -> None:
    unbroken = [batch for batch, _ in itertools.islice(play(vocabulary, source(), 4, 48), 14)]
    assert any(not batch.fresh.all() for batch in unbroken)
    for skip in (1, 5, 11):
        resumed = play(vocabulary, source(), 4, 48, skip=skip)
        assert all(same(batch, next(resumed)[0]) for batch in unbroken[skip:])


def test_the_rows_of_all_processes_are_the_batch_of_one() -> None:
    whole = play(FOLK.vocabulary, tunes(), 4, 48)
    shares = [play(FOLK.vocabulary, tunes(), 4, 48, mine=slice(rank, None, 2)) for rank in range(2)]
    for (batch, _), *parts in itertools.islice(zip(whole, *shares, strict=False), 8):
        for rank, (part, _) in enumerate(parts):
            for name in ("features", "references", "allowed", "targets", "weights"):
                assert np.array_equal(getattr(part, name), getattr(batch, name)[:, rank::2])
            assert np.array_equal(part.fresh, batch.fresh[rank::2])
