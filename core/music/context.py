"""What the network sees at each place, for many sequences at once: one code for training and for decoding.

Besides the last token: where we are in the bar and the piece, what the attributes are, what has begun in this step, what
stood here some ticks and bars ago, the last pitches and lengths, and the *match*: the token that followed the longest
earlier occurrence of what was just said (a pointer that lets a small LSTM repeat and vary its own phrases). From the same
bookkeeping comes the grammar: which tokens may follow.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.music.vocabulary import END, START, MusicVocabulary

Ints = NDArray[np.int64]

BARS_COUNTED = 8  # the bar's number modulo 8: phrases are 2, 4 and 8 bars long
BARS_LEFT_CLASSES = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 32)  # upper edges; class 0 is unknown
MATCH_MEMORY = 1024  # tokens
MATCH_MINIMUM = 3
MATCH_LENGTH_CLASSES = (3, 4, 5, 6, 8, 12, 16, 24, 48)  # lower edges; class 0 is no match
DURATIONS_SEEN = 2
PITCHES_SEEN = 3
STEP_EMPTY, STEP_PITCHED, STEP_HELD = 0, 1, 2


class MusicContext:
    """Bookkeeping of `rows` sequences. `reset` a row, then `inputs()` → draw or force a token → `advance(tokens)`.

    A row that was not reset yet, or was told to `rest`, stays as it is whatever it is given.
    """

    def __init__(self, vocabulary: MusicVocabulary, rows: int) -> None:
        self.v, self.rows = vocabulary, rows
        v = vocabulary
        self.no_pitch, self.no_duration = len(v.pitches), len(v.durations)
        self.bar_max = max(v.bar_ticks_by_choice)
        self.memory = max([*v.lags, *(bars * self.bar_max for bars in v.bar_lags)]) + self.bar_max + 1
        self.codes = 2 ** len(v.pitches) if v.percussion else len(v.pitches) + 3
        self._durations = np.array(v.durations)
        self._bar_ticks = np.array(v.bar_ticks_by_choice)
        self._tonics = np.array(v.tonic_by_choice)
        self._allowed_in_header = self._header_masks()
        shape = (rows,)
        self.count = np.zeros(shape, np.int64)  # tokens read; 0: at rest
        self.last = np.zeros(shape, np.int64)
        self.attribute = {name: np.zeros(shape, np.int64) for name in v.attributes}
        self.bar_length = np.full(shape, self._bar_ticks[0])
        self.tick = np.zeros(shape, np.int64)
        self.position = np.zeros(shape, np.int64)  # in the bar
        self.bar = np.zeros(shape, np.int64)
        self.bars_total = np.zeros(shape, np.int64)  # 0: not known
        self.step = np.zeros(shape, np.int64)
        self.begun = np.zeros(shape, np.int64)  # pitches of this step: a count
        self.lowest_next = np.zeros(shape, np.int64)
        self.code = np.zeros(shape, np.int64)
        self.sounding = np.zeros(shape, bool)
        self.pitches = np.full((rows, PITCHES_SEEN), self.no_pitch)
        self.lengths = np.full((rows, DURATIONS_SEEN), self.no_duration)
        self.code_memory = np.zeros((rows, self.memory), np.int64)
        self.length_memory = np.full((rows, self.memory), self.no_duration)
        self.said = np.full((rows, MATCH_MEMORY), -1, np.int64)
        self.run = np.zeros((rows, MATCH_MEMORY), np.int64)  # length of the common suffix ending at each earlier place
        self.said_count = np.zeros(shape, np.int64)

    # The shape of what `inputs` returns -------------------------------------------------------------------------------

    def feature_sizes(self) -> tuple[int, ...]:
        v = self.v
        sizes = [v.size, v.header_length + 3, self.bar_max + 1, BARS_COUNTED + 1, len(BARS_LEFT_CLASSES) + 2]
        sizes += [1 + len(v.choices(name)) for name in v.attributes]
        sizes += [self.codes] + [self.codes] * (len(v.lags) + len(v.bar_lags))
        if not v.percussion:
            sizes += [self.no_duration + 1] * (len(v.bar_lags) + DURATIONS_SEEN)
            sizes += [self.no_pitch + 1] * PITCHES_SEEN + [13, 2 * self.no_pitch + 1]
        return (*sizes, v.size + 1, len(MATCH_LENGTH_CLASSES) + 1)

    def reference_count(self) -> int:
        return 0 if self.v.percussion else 4 + len(self.v.bar_lags)

    # Life of a row ----------------------------------------------------------------------------------------------------

    def reset(self, row: int, bars_total: int = 0, bar_ticks: int = 0) -> None:
        """Begin a new sequence in the row: START has been read.

        `bars_total`: the piece's length when it is known, else 0. `bar_ticks`: its bar, where no metre token can say it.
        """
        assert 0 <= bar_ticks <= self.bar_max
        for array in (self.count, self.tick, self.position, self.bar, self.step, self.begun, self.lowest_next, self.code):
            array[row] = 0
        for values in self.attribute.values():
            values[row] = 0
        self.last[row], self.count[row] = START, 1
        self.bar_length[row] = bar_ticks or self._bar_ticks[0]
        self.bars_total[row] = bars_total
        self.sounding[row] = False
        self.pitches[row], self.lengths[row] = self.no_pitch, self.no_duration
        self.code_memory[row], self.length_memory[row] = 0, self.no_duration
        self.said[row], self.run[row], self.said_count[row] = -1, 0, 0

    def rest(self, row: int) -> None:
        """Nobody is in the row until it is reset or copied to: it costs no time."""
        self.count[row] = self.said_count[row] = 0

    def copy_row(self, row: int, source: MusicContext, source_row: int) -> None:
        """Take over a sequence from another context of the same vocabulary."""
        for name, values in vars(source).items():
            if isinstance(values, np.ndarray) and not name.startswith("_"):
                getattr(self, name)[row] = values[source_row]
        for name, values in source.attribute.items():
            self.attribute[name][row] = values[source_row]

    def advance(self, tokens: Ints) -> None:
        """Read one token in every row. tokens (rows,); a row that has ended may be given anything until it is reset."""
        v = self.v
        in_header = self.count < v.header_length
        for place, name in enumerate(v.attributes, start=1):
            choice = tokens - v.attribute_starts[name]
            here = in_header & (self.count == place) & (choice >= 0) & (choice <= len(v.choices(name)))
            self.attribute[name] = np.where(here, choice, self.attribute[name])
            if name == "meter":
                told = here & (choice > 0)
                self.bar_length = np.where(told, self._bar_ticks[np.where(told, choice, 0)], self.bar_length)
        body = ~in_header
        self._read_pitch(tokens, body & (tokens >= v.first_pitch) & (tokens < v.first_duration))
        self.step = np.where(body & (tokens == v.hold), STEP_HELD, self.step)
        self._read_duration(tokens, body & (tokens >= v.first_duration))
        self._remember(tokens, body)
        self.last = tokens.copy()
        self.count = self.count + (self.count > 0)

    def _read_pitch(self, tokens: Ints, here: NDArray[np.bool_]) -> None:
        index = np.where(here, tokens - self.v.first_pitch, 0)
        self.step = np.where(here, STEP_PITCHED, self.step)
        self.begun = self.begun + here
        self.lowest_next = np.where(here, index + 1, self.lowest_next)
        if self.v.percussion:
            self.code = np.where(here, self.code | (1 << index), self.code)
        else:
            self.code = np.where(here, index + 3, self.code)
        fresh = here & (index != self.pitches[:, 0])
        older = np.concatenate([index[:, None], self.pitches[:, :-1]], axis=1)
        self.pitches = np.where(fresh[:, None], older, self.pitches)

    def _read_duration(self, tokens: Ints, here: NDArray[np.bool_]) -> None:
        index = np.where(here, tokens - self.v.first_duration, 0)
        ticks = np.where(here, self._durations[index], 0)
        if not self.v.percussion:  # 1 silence, 2 what sounded goes on, 3… a pitch begins
            self.code = np.where(here & (self.step != STEP_PITCHED), np.where(self.step == STEP_HELD, 2, 1), self.code)
        # A step fills the ticks that it lasts: its code on the first, then "goes on" (or silence, or for drums nothing).
        rows, offsets = np.nonzero(np.arange(int(ticks.max(initial=0)))[None, :] < ticks[:, None])
        places = (self.tick[rows] + offsets) % self.memory
        goes_on = np.zeros_like(rows) if self.v.percussion else np.where(self.code[rows] == 1, 1, 2)
        self.code_memory[rows, places] = np.where(offsets == 0, self.code[rows], goes_on)
        self.length_memory[rows, places] = np.where(offsets == 0, index[rows], self.no_duration)
        self.sounding = np.where(here, self.step != STEP_EMPTY, self.sounding)
        lengths = np.concatenate([index[:, None], self.lengths[:, :-1]], axis=1)
        self.lengths = np.where(here[:, None], lengths, self.lengths)
        self.tick = self.tick + ticks
        position = self.position + ticks
        over = here & (position >= self.bar_length)
        self.bar = self.bar + over
        self.position = np.where(over, position - self.bar_length, position)
        for array in (self.step, self.begun, self.lowest_next, self.code):
            array[here] = 0

    def _remember(self, tokens: Ints, body: NDArray[np.bool_]) -> None:
        """Update, for every earlier place, how many tokens up to it equal the tokens up to now."""
        for row in np.flatnonzero(self.said_count >= MATCH_MEMORY):  # forget the older half
            half = MATCH_MEMORY // 2
            self.said[row, :half], self.said[row, half:] = self.said[row, half:].copy(), -1
            self.run[row, :half], self.run[row, half:] = self.run[row, half:].copy(), 0
            self.said_count[row] = half
        extent = int(self.said_count.max(initial=0)) + 1
        equal = self.said[:, :extent] == tokens[:, None]
        grown = np.zeros_like(self.run[:, :extent])
        grown[:, 1:] = self.run[:, : extent - 1]
        self.run[:, :extent] = np.where(body[:, None], (grown + 1) * equal, self.run[:, :extent])
        rows = np.flatnonzero(body)
        self.said[rows, self.said_count[rows]] = tokens[rows]
        self.said_count = self.said_count + body

    # What the network sees --------------------------------------------------------------------------------------------

    def inputs(self) -> tuple[Ints, Ints, NDArray[np.bool_]]:
        """features (rows, n), references (rows, r) as pitch indices, and allowed (rows, vocabulary) at this place."""
        v = self.v
        match, match_length = self._match()
        here = [self._recall(self.code_memory, lag, 0) for lag in v.lags]
        bars_ago = [bars * self.bar_length for bars in v.bar_lags]
        codes_ago = [self._recall(self.code_memory, lag, 0) for lag in bars_ago]
        in_header = self.count < v.header_length
        columns = [
            self.last,
            np.where(in_header, self.count - 1, v.header_length + self.step),
            np.where(in_header, self.bar_max, self.position),
            np.where(in_header, BARS_COUNTED, self.bar % BARS_COUNTED),
            self._bars_left(),
            *(self.attribute[name] for name in v.attributes),
            self.code,
            *here,
            *codes_ago,
        ]
        references: list[Ints] = []
        if not v.percussion:
            columns += [self._recall(self.length_memory, lag, self.no_duration) for lag in bars_ago]
            columns += list(self.lengths.T) + list(self.pitches.T)
            tonic = self._tonics[self.attribute["key"]] if "key" in v.attributes else np.full(self.rows, 12)
            sounded = self.pitches[:, 0] < self.no_pitch
            degree = (self.pitches[:, 0] + v.pitches[0] - tonic) % 12
            columns.append(np.where(sounded & (tonic < 12), degree, 12))
            moved = self.pitches[:, 1] < self.no_pitch
            columns.append(np.where(moved, self.pitches[:, 0] - self.pitches[:, 1] + self.no_pitch, 2 * self.no_pitch))
            references = [*self.pitches.T[:2], self._tonic_reference(tonic)]
            references += [np.where(code >= 3, code - 3, self.no_pitch) for code in codes_ago]
            pitched = (match >= v.first_pitch) & (match < v.first_duration)
            references.append(np.where(pitched, match - v.first_pitch, self.no_pitch))
        columns += [match, match_length]
        heard = np.stack(references, axis=1) if references else np.zeros((self.rows, 0), np.int64)
        return np.stack(columns, axis=1), heard, self.allowed()

    def allowed(self) -> NDArray[np.bool_]:
        """The grammar: (rows, vocabulary), true where a token may follow."""
        v = self.v
        in_header = self.count < v.header_length
        allowed = self._allowed_in_header[np.where(in_header, self.count, 0)]
        body = ~in_header
        empty = self.step == STEP_EMPTY
        at_bar = empty & (self.position == 0)
        over = at_bar & (self.bars_total > 0) & (self.bar >= self.bars_total)
        allowed[:, END] |= body & at_bar & (self.bar > 0) & ((self.bars_total == 0) | over)
        going = body & ~over
        allowed[:, v.hold] |= going & empty & self.sounding & (not v.percussion)
        may_begin = going & (self.step != STEP_HELD) & (self.begun < v.voices)
        higher = np.arange(len(v.pitches))[None, :] >= self.lowest_next[:, None]
        allowed[:, v.first_pitch : v.first_duration] |= may_begin[:, None] & higher
        room = self._durations[None, :] <= (self.bar_length - self.position)[:, None]
        allowed[:, v.first_duration :] |= going[:, None] & room
        return allowed

    def _header_masks(self) -> NDArray[np.bool_]:
        """(header length, vocabulary): row 0 allows nothing, row k the values of the k-th attribute."""
        v = self.v
        masks = np.zeros((v.header_length, v.size), bool)
        for place, name in enumerate(v.attributes, start=1):
            start = v.attribute_starts[name]
            masks[place, start : start + 1 + len(v.choices(name))] = True
        return masks

    def _bars_left(self) -> Ints:
        left = np.maximum(self.bars_total - self.bar, 1)
        return np.where(self.bars_total > 0, 1 + np.searchsorted(BARS_LEFT_CLASSES, left), 0)

    def _recall(self, memory: Ints, lag: int | Ints, nothing: int) -> Ints:
        """What the memory holds `lag` ticks before this place."""
        place = self.tick - lag
        held = memory[np.arange(self.rows), place % self.memory]
        return np.where(place >= 0, held, nothing)

    def _tonic_reference(self, tonic: Ints) -> Ints:
        """The tonic in the octave around the middle of the range, as a pitch index."""
        middle = self.v.pitches[len(self.v.pitches) // 2]
        index = middle + (tonic - middle + 6) % 12 - 6 - self.v.pitches[0]
        return np.where(tonic < 12, index, self.no_pitch)

    def _match(self) -> tuple[Ints, Ints]:
        """The token after the longest earlier occurrence of what was just said (`size` for none), and the length's class."""
        extent = max(1, int(self.said_count.max(initial=0)) - 1)
        runs = self.run[:, :extent]
        # of equally long runs the latest
        best = extent - 1 - np.argmax(runs[:, ::-1], axis=1)
        length = runs[np.arange(self.rows), best]
        found = length >= MATCH_MINIMUM
        token = self.said[np.arange(self.rows), np.minimum(best + 1, MATCH_MEMORY - 1)]
        length_class = np.searchsorted(MATCH_LENGTH_CLASSES, length, side="right")
        return np.where(found, token, self.v.size), np.where(found, length_class, 0)
