"""GenerationRequest: the one object that form, API, command line, queue, engine and provenance share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from core.sampling_params import RepetitionPenalty, SamplingParams, Seed, Temperature, TopK, TopP

MAX_PROMPT_CHARACTERS = 200_000
MAX_NOTATION_CHARACTERS = 200_000


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NotesPrime(Frozen):
    """Typed notes, such as `D4:1 F4:0.5 A4:0.5 r:1`; lengths in quarter notes."""

    format: Literal["notes"]
    notes: str = Field(min_length=1, max_length=MAX_NOTATION_CHARACTERS)


class AbcPrime(Frozen):
    """A tune in ABC notation."""

    format: Literal["abc"]
    abc: str = Field(min_length=1, max_length=MAX_NOTATION_CHARACTERS)


class BeatsPrime(Frozen):
    """A drum grid: for each drum's name a string of 16ths, `x` a hit and `.` none."""

    format: Literal["beats"]
    beats: dict[str, str] = Field(min_length=1, max_length=32)


class MidiPrime(Frozen):
    """A Standard MIDI File in base64; at most 1 MB of bytes."""

    format: Literal["midi"]
    midi: str = Field(min_length=1, max_length=2_400_000)


Prime = Annotated[NotesPrime | AbcPrime | BeatsPrime | MidiPrime, Field(discriminator="format")]


class Attributes(Frozen):
    """What the music should be. A field left out is the model's to decide."""

    key: str | None = Field(None, max_length=24, examples=["D minor"])
    meter: str | None = Field(None, max_length=8, examples=["6/8"])
    tempo: float | None = Field(None, gt=0, le=1000, description="Quarter notes a minute.")
    style: str | None = Field(None, max_length=40, examples=["jig"])
    bars: int | None = Field(None, ge=1, le=1000, description="How many bars to add.")
    instruments: tuple[str, ...] = Field((), max_length=16)
    without: tuple[str, ...] = Field((), max_length=16)


class Length(Frozen):
    """How much text to add: words, or sentences."""

    words: int | None = Field(None, ge=1, le=5000)
    sentences: int | None = Field(None, ge=1, le=500)


class SamplingChoice(Frozen):
    """The sampler's knobs as the caller set them. One left out (or null) takes the model card's default; a seed is drawn."""

    temperature: Temperature | None = Field(None, description="Below 1 surer, above 1 wilder, 0 always the likeliest token.")
    top_k: TopK | None = Field(None, description="Keep only the k likeliest tokens; 0 keeps all.")
    top_p: TopP | None = Field(None, description="Keep the smallest set of tokens whose probabilities reach p; 1 keeps all.")
    repetition_penalty: RepetitionPenalty | None = Field(None, description="Weakens tokens seen lately; 1 is off.")
    seed: Seed | None = Field(None, description="The same request with the same seed gives the same bytes.")

    def params(self) -> SamplingParams:
        """What the engine takes; knobs still unset (before admission) have SamplingParams' own defaults."""
        return SamplingParams(**self.model_dump(exclude_none=True))


Kind = Literal["music", "text"]
Task = Literal["continue", "compose"]


class GenerationRequest(Frozen):
    """What somebody asked for. Left out means the default of its kind, published in the model cards.

    `worker.jobs.admission.admit` validates it against the cards, once, and fills in model, task, bars or words, and
    the sampling with its seed.
    """

    version: Literal[1] = 1
    kind: Kind = "music"
    task: Task | None = None
    model: str | None = Field(None, max_length=64)
    prime: Prime | None = None
    prompt: str | None = Field(None, max_length=MAX_PROMPT_CHARACTERS)
    attributes: Attributes = Attributes()
    length: Length | None = None
    stop: tuple[str, ...] = Field((), max_length=8, description="Text: end before any of these.")
    sampling: SamplingChoice = SamplingChoice()
    variations: int = Field(1, ge=1, le=8)

    @field_validator("prompt")
    @classmethod
    def _clean_prompt(cls, prompt: str | None) -> str | None:
        if prompt is not None and "\x00" in prompt:
            raise ValueError("the prompt contains a NUL character")
        if prompt is not None and any(0xD800 <= ord(character) <= 0xDFFF for character in prompt):
            raise ValueError("the prompt contains a lone surrogate, which is no Unicode text")
        return prompt
