"""What the kernel has to know of an author's language: the vocabulary as context.hpp reads it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.architecture import Architecture
from core.brief import Author
from core.music.composer import Composer
from core.music.context import MusicContext
from core.native.library import ContextSpec

TEXT, MUSIC = 0, 1


class ContextOf:
    """A ContextSpec, and the arrays that it points to for as long as the kernel takes to copy them."""

    def __init__(self, author: Author, architecture: Architecture) -> None:
        self._arrays: list[NDArray[np.int32]] = []
        self.spec = ContextSpec(kind=TEXT, vocabulary=architecture.vocabulary, meter_attribute=-1, key_attribute=-1)
        if isinstance(author, Composer):
            self._describe(author.context(1))

    def _describe(self, context: MusicContext) -> None:
        v, spec = context.v, self.spec
        spec.kind, spec.percussion, spec.voices = MUSIC, v.percussion, v.voices
        spec.attributes = len(v.attributes)
        for place, name in enumerate(v.attributes):
            spec.attribute_start[place] = v.attribute_starts[name]
            spec.attribute_choices[place] = len(v.choices(name))
            if name == "meter":
                spec.meter_attribute = place
            if name == "key":
                spec.key_attribute = place
        spec.hold, spec.first_pitch, spec.first_duration = v.hold, v.first_pitch, v.first_duration
        spec.pitches, spec.durations = len(v.pitches), len(v.durations)
        spec.lowest_pitch, spec.middle_pitch = v.pitches[0], v.pitches[len(v.pitches) // 2]
        spec.lags, spec.bar_lags = len(v.lags), len(v.bar_lags)
        for place, lag in enumerate(v.lags):
            spec.lag[place] = lag
        for place, lag in enumerate(v.bar_lags):
            spec.bar_lag[place] = lag
        spec.duration_ticks = self._keep(v.durations)
        spec.bar_ticks_by_choice = self._keep(v.bar_ticks_by_choice)
        spec.tonic_by_choice = self._keep(v.tonic_by_choice)
        spec.bar_max, spec.memory = context.bar_max, context.memory

    def _keep(self, numbers: tuple[int, ...]) -> int:
        self._arrays.append(np.array(numbers, np.int32))
        return int(self._arrays[-1].ctypes.data)
