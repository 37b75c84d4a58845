"""Public-domain dance and folk tunes in ABC: one voice, all keys by transposition.

Split by groups of tunes that share a title or a transposed incipit, since the collections overlap.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import RequestError
from core.music.abc_in import read_abc_bars
from core.music.keys import key_name, parse_key, tonic
from core.music.piece import KeyChange, Note, Piece
from core.music.tokenizer import MusicTokenizer
from core.music.vocabulary import MusicVocabulary
from core.training.batches import ALL_ROWS, Batch
from core.training.buckets import Sequence, bucketed, endless
from core.training.music_batches import architecture_sizes, play

LOWEST, HIGHEST = 48, 96
MODES = ("major", "minor", "dorian", "mixolydian")
METERS = ("2/4", "3/4", "4/4", "2/2", "6/8", "9/8", "12/8", "3/8", "6/4", "3/2")
STYLES = (
    "reel", "jig", "hornpipe", "slip jig", "strathspey", "polka", "waltz", "march", "air", "clog", "schottische", "song", "fling",
)  # fmt: skip
DURATIONS = (
    1, 2, 3, 4, 6, 8, 9, 12, 15, 16, 18, 20, 21, 24, 30, 32, 36, 42, 48, 54, 60, 64, 66, 72, 84, 90, 96, 108, 120, 132, 144,
)  # fmt: skip
STYLE_WORDS = {
    "reel": "reel", "jig": "jig", "double jig": "jig", "single jig": "jig", "slide": "jig", "hornpipe": "hornpipe",
    "slip jig": "slip jig", "hop jig": "slip jig", "strathspey": "strathspey", "polka": "polka", "waltz": "waltz",
    "walse": "waltz", "march": "march", "quickstep": "march", "quick step": "march", "air": "air", "slow air": "air",
    "clog": "clog", "schottische": "schottische", "song": "song", "fling": "fling", "highland fling": "fling",
}  # fmt: skip
INCIPIT_NOTES = 10
HELD_OUT_SHARE = 0.06  # each of validation and test
FORGET_ATTRIBUTE = 0.15
TELL_LENGTH = 0.5
SHORTEST_BARS, LONGEST_BARS = 4, 128

TRANSPOSABLE_KEYS = tuple(
    min((key_name(key) for sharps in range(-7, 8) if tonic(key := KeyChange(0, sharps, mode)) == pitch_class), key=len)
    for mode in MODES
    for pitch_class in range(12)
)
"""One spelling of every key on every keynote."""

USUAL_KEYS = (
    "G major", "D major", "A major", "C major", "F major", "Bb major", "E minor", "A minor", "G minor", "D minor",
    "A dorian", "E dorian", "D mixolydian", "A mixolydian",
)  # fmt: skip
"""The keys of at least one training tune in a hundred."""

VOCABULARY = MusicVocabulary(
    ticks_per_quarter=24,
    percussion=False,
    pitches=tuple(range(LOWEST, HIGHEST + 1)),
    drum_map={},
    durations=DURATIONS,
    voices=1,
    styles=STYLES,
    meters=METERS,
    keys=TRANSPOSABLE_KEYS,
    usual_keys=USUAL_KEYS,
    bar_lags=(1, 2, 4, 8),
)


@dataclass(frozen=True)
class Tune:
    """One tune of the corpus, its bars lined up. `key` is a canonical name, `style` one of STYLES or None."""

    piece: Piece
    title: str
    meter: str
    key: str
    style: str | None
    split: str


def tunes(path: Path) -> list[Tune]:
    """Read folk_tunes.jsonl.zst (or the folder that holds it); tunes that do not parse or line up are left out."""
    import zstandard

    archive = path / "folk_tunes.jsonl.zst" if path.is_dir() else path
    with archive.open("rb") as compressed:
        lines = zstandard.ZstdDecompressor().stream_reader(compressed).read().decode().splitlines()
    read = [tune for line in lines if (tune := _read(json.loads(line))) is not None]
    return [replace(tune, split=split) for tune, split in zip(read, _splits(read), strict=True)]


def _read(row: dict[str, str]) -> Tune | None:
    meter = {"C": "4/4", "C|": "2/2"}.get(row.get("meter", ""), row.get("meter", ""))
    if meter not in METERS or not row.get("key"):
        return None
    unit = f"L:{row['unit']}\n" if row.get("unit") else ""
    text = f"X:1\nT:{row['title']}\nM:{row['meter']}\n{unit}K:{row['key']}\n{row['abc']}\n"
    try:
        piece, bar_lines = read_abc_bars(text)
        key = key_name(parse_key(row["key"]))
    except RequestError:
        return None
    bar = piece.bar_ticks()
    bars = -(-piece.end // bar)
    pitches = [note.pitch for track in piece.tracks for note in track.notes]
    lined_up = all(tick % bar == 0 for tick in bar_lines) and len(piece.meters) == 1 and len(piece.keys) == 1
    if not lined_up or not SHORTEST_BARS <= bars <= LONGEST_BARS or min(pitches) < LOWEST or max(pitches) > HIGHEST:
        return None
    return Tune(piece, row["title"], meter, key, _style(row), "")


def _style(row: dict[str, str]) -> str | None:
    """The kind of dance: as the collection says, else as the title does."""
    if named := STYLE_WORDS.get(row.get("rhythm", "").strip().lower()):
        return named
    title = row["title"].lower()
    longest_first = sorted(STYLE_WORDS.items(), key=lambda item: -len(item[0]))
    return next((style for word, style in longest_first if re.search(rf"\b{word}\b", title)), None)


def _splits(read: list[Tune]) -> list[str]:
    """train, validation or test for each tune: one choice for all that are linked by title or transposed incipit."""
    parent = list(range(len(read)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    first_with: dict[str, int] = {}
    for place, tune in enumerate(read):
        notes = tune.piece.tracks[0].notes[: INCIPIT_NOTES + 1]
        steps = [after.pitch - before.pitch for before, after in pairwise(notes)]
        title = re.sub(r"[^a-z]", "", re.sub(r"^(the|a)\s|,\s*(the|a)\b", "", tune.title.lower()))
        for mark in (f"title {title}", f"incipit {steps}"):
            parent[root(place)] = root(first_with.setdefault(mark, place))
    groups: dict[int, list[int]] = defaultdict(list)
    for place in range(len(read)):
        groups[root(place)].append(place)
    splits = [""] * len(read)
    for members in groups.values():
        name = min(read[member].title for member in members)
        draw = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) / 2**32
        split = "test" if draw < HELD_OUT_SHARE else "validation" if draw < 2 * HELD_OUT_SHARE else "train"
        for member in members:
            splits[member] = split
    return splits


def transposed(piece: Piece, semitones: int) -> Piece:
    """Every note moved; the key signature is left to the attributes."""
    def moved(note: Note) -> Note:
        return replace(note, pitch=note.pitch + semitones)

    return replace(piece, tracks=tuple(replace(track, notes=tuple(map(moved, track.notes))) for track in piece.tracks))


class FolkCorpus:
    """`path`: folk_tunes.jsonl.zst, or the folder that holds it."""

    unit = "note"

    def __init__(self, path: Path, options: dict[str, Any]) -> None:
        self.tokenizer = MusicTokenizer(VOCABULARY)
        self.tunes = tunes(path)

    def architecture_sizes(self) -> dict[str, Any]:
        return architecture_sizes(VOCABULARY)

    def tokenizer_config(self) -> dict[str, Any]:
        return VOCABULARY.config()

    def encode(self, tune: Tune) -> np.ndarray[Any, Any]:
        attributes = {"style": tune.style, "meter": tune.meter, "key": tune.key}
        return np.array(self.tokenizer.encode(tune.piece, attributes))

    def training(self, rows: int, chunk: int, seed: int, skip: int = 0, mine: slice = ALL_ROWS) -> Iterator[Batch]:
        played = play(VOCABULARY, self.sequences(rows, chunk, seed), rows, chunk, skip=skip, mine=mine)
        return (batch for batch, _ in played)

    def sequences(self, rows: int, chunk: int, seed: int) -> Iterator[Sequence]:
        """Tunes in random order for ever, each moved to a random key that keeps it in range."""
        chosen = [tune for tune in self.tunes if tune.split == "train"]
        encoded = [(self.encode(tune), -(-tune.piece.end // tune.piece.bar_ticks())) for tune in chosen]

        def vary(place: int, random: np.random.Generator) -> Sequence:
            return self._varied(*encoded[place], random)

        return endless(len(encoded), vary, rows, chunk, np.random.default_rng(seed))

    def _varied(self, tokens: np.ndarray[Any, Any], bars: int, random: np.random.Generator) -> Sequence:
        """The tune in another key, now and then without an attribute, its length told or not."""
        v = VOCABULARY
        tokens = tokens.copy()
        pitched = (tokens >= v.first_pitch) & (tokens < v.first_duration)
        low = v.first_pitch - tokens[pitched].min()
        high = v.first_duration - 1 - tokens[pitched].max()
        shift = int(random.integers(max(-6, low), min(6, high) + 1))
        tokens[pitched] += shift
        key_place = 1 + v.attributes.index("key")
        mode, pitch_class = divmod(int(tokens[key_place]) - v.attribute_starts["key"] - 1, 12)
        tokens[key_place] = v.attribute_starts["key"] + 1 + mode * 12 + (pitch_class + shift) % 12
        for name in ("style", "key"):
            if random.random() < FORGET_ATTRIBUTE:
                tokens[1 + v.attributes.index(name)] = v.attribute_starts[name]
        return Sequence(tokens, np.ones(len(tokens), np.float32), bars if random.random() < TELL_LENGTH else 0)

    def validation(self, rows: int, chunk: int, mine: slice = ALL_ROWS) -> Iterator[tuple[Batch, int]]:
        return self.scoring("validation", rows, chunk, mine)

    def scoring(self, split: str, rows: int, chunk: int, mine: slice = ALL_ROWS) -> Iterator[tuple[Batch, int]]:
        """Every tune of the split once, in its own key: nats of the body, its end among them, and the notes in it."""
        return play(VOCABULARY, iter(bucketed(self.scored(split), rows, chunk, None)), rows, chunk, mine=mine)

    def scored(self, split: str) -> list[Sequence]:
        """What `scoring` plays: every token from the first step on counts."""
        return [self._scored(self.encode(tune)) for tune in self.tunes if tune.split == split]

    def _scored(self, tokens: np.ndarray[Any, Any]) -> Sequence:
        weights = (np.arange(len(tokens)) >= VOCABULARY.header_length).astype(np.float32)
        notes = int(((tokens >= VOCABULARY.first_pitch) & (tokens < VOCABULARY.first_duration)).sum())
        return Sequence(tokens, weights, 0, notes)
