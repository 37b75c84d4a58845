from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.music.keys import parse_key, tonic
from core.music.piece import Note, Piece, Track
from core.training.folk import VOCABULARY, FolkCorpus, Tune, _splits, transposed

SCALES = {"major": "CDEFGABc", "minor": "A,B,CDEFGA"}


def row(title: str, abc: str = "CDEF GABc|cBAG FEDC|CEGE CEGc|C8|", **more: str) -> dict[str, str]:
    return {"title": title, "meter": "4/4", "unit": "1/8", "key": "C", "rhythm": "Reel", "abc": abc, **more}


def varied(number: int) -> str:
    """Eight bars of eighths that no other number has."""
    random = np.random.default_rng(number)
    return "|".join("".join(random.choice(list("CDEFGABc"), 8)) for _ in range(8)) + "|"


def corpus(folder: Path, rows: list[dict[str, str]]) -> FolkCorpus:
    zstandard = pytest.importorskip("zstandard")
    text = "\n".join(json.dumps(each) for each in rows)
    (folder / "folk_tunes.jsonl.zst").write_bytes(zstandard.ZstdCompressor().compress(text.encode()))
    return FolkCorpus(folder, {})


def tune(title: str, pitches: tuple[int, ...]) -> Tune:
    notes = tuple(Note(12 * place, 12, pitch) for place, pitch in enumerate(pitches))
    return Tune(Piece(24, (Track(notes),)), title, "4/4", "C major", "reel", "")


def test_tunes_that_share_a_title_or_a_transposed_incipit_are_never_split() -> None:
    random = np.random.default_rng(1)
    alone = [tune(f"tune {chr(97 + n // 26)}{chr(97 + n % 26)}", tuple(random.integers(50, 90, 14))) for n in range(300)]
    linked = []
    for n, other in enumerate(alone):
        pitches = tuple(note.pitch for note in other.piece.tracks[0].notes)
        again = tuple(int(pitch) for pitch in random.integers(50, 90, 14))
        linked.append(tune(f"The {other.title.title()}, The", again))  # the same title, another tune
        linked.append(tune(f"Another {n % 26}", tuple(pitch + 3 for pitch in pitches)))  # and that tune elsewhere, higher
    splits = _splits(alone + linked)
    for n in range(len(alone)):
        group = {splits[n], splits[len(alone) + 2 * n], splits[len(alone) + 2 * n + 1]}
        assert len(group) == 1
    assert set(splits) == {"train", "validation", "test"} or len(set(splits)) == 1


def test_a_split_does_not_depend_on_the_order_of_the_tunes() -> None:
    random = np.random.default_rng(2)
    titles = ["".join(chr(97 + digit) for digit in random.integers(0, 26, 8)) for _ in range(200)]
    tunes = [tune(title, tuple(random.integers(50, 90, 14))) for title in titles]
    forward, backward = _splits(tunes), _splits(tunes[::-1])[::-1]
    assert forward == backward
    assert Counter(forward)["train"] > 150
    assert set(forward) == {"train", "validation", "test"}


def test_only_tunes_that_parse_and_line_up_are_read(tmp_path: Path) -> None:
    read = corpus(
        tmp_path,
        [
            row("good"),
            row("no key", key=""),
            row("odd metre", meter="11/8"),
            row("no abc", abc="&&& what"),
            row("bars that do not add up", abc="CDEF GABc|cBA|C8|C8|"),
            row("too short", abc="C8|"),
            row("too low", abc="C,,,,8|C8|C8|C8|"),
            row("A jig by its title", rhythm="", meter="6/8", abc="CDE FGA|" * 4),
        ],
    )
    assert [(found.title, found.meter, found.key, found.style) for found in read.tunes] == [
        ("good", "4/4", "C major", "reel"),
        ("A jig by its title", "6/8", "C major", "jig"),
    ]


@pytest.fixture(scope="module")
def folk(tmp_path_factory: pytest.TempPathFactory) -> FolkCorpus:
    return corpus(tmp_path_factory.mktemp("folk"), [row(f"number {chr(97 + n)}", "G|" * (n % 2) + varied(n)) for n in range(24)])


def test_training_tunes_are_moved_to_other_keys_with_their_key_token(folk: FolkCorpus) -> None:
    v = VOCABULARY
    tokens = folk.encode(folk.tunes[0])
    random = np.random.default_rng(3)
    keys = set()
    for _ in range(40):
        moved = folk._varied(tokens, 8, random).tokens
        pitched = (tokens >= v.first_pitch) & (tokens < v.first_duration)
        (shift,) = set((moved - tokens)[pitched].tolist())
        assert np.array_equal(moved[~pitched][v.header_length :], tokens[~pitched][v.header_length :])
        key = v.attribute_value("key", int(moved[1 + v.attributes.index("key")]))
        if key is not None:  # now and then it is not told
            assert tonic(parse_key(str(key))) == shift % 12
            assert parse_key(str(key)).mode == "major"
        keys.add(key)
    assert len(keys) > 6
    assert None in keys


def test_every_batch_of_training_can_be_learnt(folk: FolkCorpus) -> None:
    batches = folk.training(rows=3, chunk=32, seed=1)
    for _ in range(10):
        batch = next(batches)
        assert batch.allowed is not None
        at = np.arange(len(batch.targets))[:, None], np.arange(3)[None, :], batch.targets
        assert batch.allowed[at].all()
        assert batch.weights.sum() > 0


def test_a_score_counts_the_notes_of_every_tune_and_not_the_header(folk: FolkCorpus) -> None:
    train = [each for each in folk.tunes if each.split == "train"]
    scored = list(folk.scoring("train", rows=4, chunk=50))
    assert sum(units for _, units in scored) == sum(each.piece.note_count for each in train)
    steps = sum(len(folk.encode(each)) - VOCABULARY.header_length for each in train)
    assert sum(float(batch.weights.sum()) for batch, _ in scored) == steps


def test_the_shares_of_a_validation_are_the_whole(folk: FolkCorpus) -> None:
    of_all = (slice(None), slice(0, None, 2), slice(1, None, 2))
    whole, *shares = (list(folk.scoring("train", rows=4, chunk=50, mine=mine)) for mine in of_all)
    assert sum(units for _, units in whole) == sum(units for share in shares for _, units in share)
    for (batch, _), *parts in zip(whole, *shares, strict=True):
        for rank, (part, _) in enumerate(parts):
            assert np.array_equal(part.features, batch.features[:, rank::2])
            assert np.array_equal(part.weights, batch.weights[:, rank::2])


@given(st.integers(-12, 12))
@settings(deadline=None, max_examples=10)
def test_a_transposed_piece_comes_back(semitones: int) -> None:
    piece: Any = tune("x", (60, 64, 67)).piece
    assert transposed(transposed(piece, semitones), -semitones) == piece
    assert [note.pitch for note in transposed(piece, 2).tracks[0].notes] == [62, 66, 69]
