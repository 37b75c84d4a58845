"""The prose of the model cards: what each model is, what it was trained on, what it may be used for."""

from __future__ import annotations

from typing import Any

from core.catalog import AttributeChoices, DataSource, Playable, Range
from core.music.keys import key_name
from core.music.piece import KeyChange
from core.training import drums, folk

ALL_KEYS = [key_name(KeyChange(0, sharps, mode)) for mode in folk.MODES for sharps in range(-7, 8)]
"""Every key that has a signature, in every spelling; the model hears enharmonic ones alike."""


def prose(name: str) -> dict[str, Any]:
    """The fields of the Card that people write; KeyError for a name without any."""
    return {"folk": _folk, "drums": _drums, "shakespeare": _shakespeare}[name]()


def _folk() -> dict[str, Any]:
    v = folk.VOCABULARY
    return {
        "title": {"en": "Folk tunes", "pt": "Melodias populares"},
        "summary": {
            "en": "One voice: reels, jigs, hornpipes and airs. Continues your tune, or writes one in a key, a metre and a style.",
            "pt": "Uma voz: reels, jigs, hornpipes e árias. Continua a sua melodia ou escreve uma em certo tom, compasso "
            "e estilo.",
        },
        "kind": "music",
        "tasks": ["continue", "compose"],
        "attributes": AttributeChoices(
            style=list(v.styles),
            key=ALL_KEYS,
            meter=list(v.meters),
            tempo=Range(minimum=30, maximum=300, default=110),
            bars=Range(minimum=1, maximum=128, default=8),
        ),
        "playable": Playable(percussion=False, pitches=list(v.pitches), voices=v.voices, ticks_per_quarter=v.ticks_per_quarter),
        "default_sampling": {"temperature": 0.9, "top_k": 0, "top_p": 0.95, "repetition_penalty": 1.0},
        "data": [
            DataSource(
                name="Folk and dance tunes in ABC (O'Neill 1850, Ryan's Mammoth Collection, Aird's Airs, MIT's Irish tunes "
                "and others)",
                licence="Printed sources: public domain. ABC: by volunteers, as in the music21 corpus and MIT's course "
                "repository (MIT).",
                source="https://github.com/cuthbertLab/music21 and https://github.com/MITDeepLearning/introtodeeplearning",
                used="4,695 of 5,047 tunes: those that parse and whose bars add up; split by title and transposed incipit.",
            )
        ],
        "licence": "MIT",
        "limits": {
            "en": "One note at a time, on a grid of 24 to the quarter. Repeats are not written. Tempo shapes the file, not the "
            "tune. Dance types beyond reel, jig and hornpipe have few examples. It has read these collections alone: it may "
            "quote them.",
            "pt": "Uma nota por vez, numa grade de 24 por semínima. Não escreve repetições. O andamento vale para o arquivo, não "
            "para a melodia. Há poucos exemplos além de reel, jig e hornpipe. Só leu estas coleções: pode citá-las.",
        },
    }


def _drums() -> dict[str, Any]:
    v = drums.VOCABULARY
    return {
        "title": {"en": "Drums", "pt": "Bateria"},
        "summary": {
            "en": "A drum kit of nine: goes on from your beat, or plays one in a style at a tempo, as human drummers do.",
            "pt": "Uma bateria de nove peças: continua a sua batida ou toca uma num estilo e andamento, como bateristas humanos.",
        },
        "kind": "music",
        "tasks": ["continue", "compose"],
        "attributes": AttributeChoices(
            style=list(v.styles),
            meter=list(v.meters),
            tempo=Range(minimum=40, maximum=240),
            bars=Range(minimum=1, maximum=128, default=8),
        ),
        "playable": Playable(
            percussion=True,
            pitches=sorted(int(note) for note in v.drum_map),
            voices=v.voices,
            ticks_per_quarter=v.ticks_per_quarter,
        ),
        "default_sampling": {"temperature": 0.95, "top_k": 0, "top_p": 0.98, "repetition_penalty": 1.0},
        "data": [
            DataSource(
                name="Groove MIDI Dataset 1.0.0 (Gillick, Roberts, Engel, Eck, Bamman 2019; Google Magenta)",
                licence="CC BY 4.0",
                source="https://magenta.tensorflow.org/datasets/groove",
                used="The 4/4 performances of at least 32 16ths (392 train, 52 validation, 81 test; official split), on 16ths, "
                "nine drums.",
            )
        ],
        "licence": "MIT; the training data asks for the attribution above (CC BY 4.0).",
        "limits": {
            "en": "4/4 on 16ths: triplets and micro-timing are rounded, loudness comes from the metre, not from the drummers. "
            "Styles with few recordings (blues, highlife, middleeastern) are guesses.",
            "pt": "4/4 em semicolcheias: tercinas e microtempo são arredondados; a intensidade vem do compasso, não dos "
            "bateristas. Estilos com poucas gravações (blues, highlife, middleeastern) são palpites.",
        },
    }


def _shakespeare() -> dict[str, Any]:
    return {
        "title": {"en": "Shakespeare", "pt": "Shakespeare (em inglês)"},
        "summary": {
            "en": "English verse and dialogue, letter by letter, after Shakespeare's plays.",
            "pt": "Versos e diálogos em inglês, letra por letra, à maneira das peças de Shakespeare.",
        },
        "kind": "text",
        "tasks": ["continue", "compose"],
        "words": Range(minimum=1, maximum=5000, default=200),
        "default_sampling": {"temperature": 0.8, "top_k": 0, "top_p": 0.95, "repetition_penalty": 1.0},
        "data": [
            DataSource(
                name="Tiny Shakespeare (1.1 million characters of the plays)",
                licence="public domain",
                source="https://github.com/karpathy/char-rnn",
                used="The first 90 %, of which 2 % from the middle chose the checkpoint; the last 10 % is the test.",
            )
        ],
        "licence": "MIT",
        "limits": {
            "en": "It knows 65 characters of English text: others are read as unknown. It has style, not sense; some lines are "
            "near Shakespeare's own.",
            "pt": "Conhece 65 caracteres do texto inglês: os outros são lidos como desconhecidos. Tem estilo, não sentido; "
            "alguns versos são quase os do próprio Shakespeare.",
        },
    }
