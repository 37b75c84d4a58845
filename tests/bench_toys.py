"""Toy data sets and untrained checkpoints for the benches' tests: a few tunes, a few performances, a page of text."""

from __future__ import annotations

import hashlib
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import torch

from core.architecture import Architecture
from core.catalog import PACKED, WEIGHTS, Card
from core.checkpoint import pack_weights
from core.model import RecurrentModel
from core.music.midi import write_midi
from core.music.piece import MeterChange, Note, Piece, Track
from core.native.packing import Ranges
from core.packed import packed_bytes
from core.training.batches import Corpus
from core.training.calibration import pack_model
from core.training.cards import prose
from core.training.export import write_card


def toy_checkpoint(folder: Path, name: str, corpus: Corpus) -> Card:
    """An untrained model with a true card."""
    torch.manual_seed(1)
    sizes: dict[str, Any] = corpus.architecture_sizes()
    model = RecurrentModel(Architecture(embedding=8, hidden=8, layers=1, **sizes))
    data, packed = pack_weights(model), packed_bytes(pack_model(model, Ranges(4.0, (1.0,))))
    card = Card(
        format=1,
        name=name,
        architecture=model.architecture.to_json(),
        tokenizer=dict(corpus.tokenizer_config()),
        parameters=1,
        sha256=hashlib.sha256(data).hexdigest(),
        packed_sha256=hashlib.sha256(packed).hexdigest(),
        figures=[],
        trained={},
        **prose(name),
    )
    (folder / name).mkdir(parents=True)
    (folder / name / WEIGHTS).write_bytes(data)
    (folder / name / PACKED).write_bytes(packed)
    write_card(card, folder / name)
    return card


def write_text(folder: Path) -> None:
    chooser = random.Random(1)
    words = ["to", "be", "or", "not", "that", "is", "the", "question"]
    folder.mkdir(parents=True)
    (folder / "input.txt").write_text("\n".join(" ".join(chooser.choices(words, k=6)) for _ in range(600)))


def write_tunes(folder: Path) -> None:
    import zstandard

    chooser = random.Random(2)
    rows = []
    for _ in range(120):
        bars = ["".join(chooser.choice("ABcdefga") for _ in range(8)) for _ in range(4)]
        name = "".join(chooser.choices("abcdefghijklmnopqrstuvwxyz", k=8))  # letters: tunes of one title share a split
        meter = {"title": name, "meter": "4/4", "unit": "1/8", "key": chooser.choice(["D", "G", "Em", "Ador"])}
        rows.append({**meter, "rhythm": "reel", "abc": " | ".join(bars) + " |"})
    folder.mkdir(parents=True)
    text = "\n".join(json.dumps(row) for row in rows)
    (folder / "folk_tunes.jsonl.zst").write_bytes(zstandard.ZstdCompressor().compress(text.encode()))


def write_performances(folder: Path) -> None:
    chooser = random.Random(3)
    lines = ["drummer,session,id,style,bpm,beat_type,time_signature,midi_filename,audio_filename,duration,split"]
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "toy.zip", "w") as archive:
        for number, split in enumerate(["train"] * 4 + ["validation"] * 2 + ["test"] * 2):
            lines.append(f"d,s,{number},rock/x,120,beat,4-4,d/{number}.mid,,9,{split}")
            archive.writestr(f"groove/d/{number}.mid", write_midi(_performance(chooser, bars=3 + number % 3)))
        archive.writestr("groove/info.csv", "\n".join(lines))


def _performance(chooser: random.Random, bars: int) -> Piece:
    sixteenth = 120
    hits = [(step, 36 if step % 4 == 0 else 42) for step in range(16 * bars) if step % 4 == 0 or chooser.random() < 0.6]
    hits += [(step, 38) for step in range(4, 16 * bars, 8)]
    notes = tuple(Note(step * sixteenth, sixteenth, pitch, 80) for step, pitch in sorted(hits))
    return Piece(480, (Track(notes, percussion=True),), meters=(MeterChange(0, 4, 4),), length=16 * bars * sixteenth)


def last_json(output: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found
