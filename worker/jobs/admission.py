"""The door: a request is compared with the model cards once, and what it left out is filled in."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.catalog import Card, Catalog, Range
from core.errors import InvalidField, UnsupportedTask
from core.music.keys import key_name, parse_key, parse_meter
from core.music.piece import Piece
from core.sampling_params import MAX_SEED, SamplingParams
from worker.jobs.prime import can_play, check_playable, is_percussion, read_prime
from worker.jobs.request import Attributes, GenerationRequest, Length, SamplingChoice

MAX_MUSIC_PROMPT_CHARACTERS = 4_000
DEFAULT_BARS = 8
DEFAULT_WORDS = 200


@dataclass(frozen=True)
class Admitted:
    """A request that can be carried out as it stands."""

    request: GenerationRequest
    """Model, task, bars or length, and every knob of the sampler with its seed are filled in; the prime is taken out."""
    prime: Piece | None
    card: Card


def admit(request: GenerationRequest, catalog: Catalog) -> Admitted:
    """Raises a RequestError whose `field` says what cannot be done as it was asked."""
    _refuse_fields_of_the_other_kind(request)
    return _admit_music(request, catalog) if request.kind == "music" else _admit_text(request, catalog)


def _admit_music(request: GenerationRequest, catalog: Catalog) -> Admitted:
    task = request.task or ("continue" if request.prime else "compose")
    if task == "continue" and request.prime is None:
        raise InvalidField("To continue, give a prime; or compose, which starts from nothing.", field="prime")
    if task == "compose" and request.prime is not None:
        raise InvalidField("To compose is to start from nothing: leave the prime out, or ask to continue it.", field="prime")
    named = _named_card(request, catalog)
    prime = read_prime(request.prime) if request.prime else None
    card = named or _default_card(task, prime, catalog)
    _check_task(card, task)
    if prime is not None:
        check_playable(prime, card, catalog)
    attributes = _attributes(request.attributes, card)
    if prime is not None and attributes.meter is None:
        _check_meter(prime, card)
    filled: dict[str, Any] = {"attributes": attributes, "prime": None, "prompt": None}
    return Admitted(_fill(request, card, task, filled), prime, card)


def _check_meter(prime: Piece, card: Card) -> None:
    """The metre in which the prime ends must have bars that the model's grid can count. Raises InvalidField."""
    assert card.playable is not None
    meters = [change for change in prime.meters if change.tick <= prime.end]
    if not meters:
        return
    numerator, denominator = meters[-1].numerator, meters[-1].denominator
    try:
        parse_meter(f"{numerator}/{denominator}")
        fits = card.playable.ticks_per_quarter * 4 * numerator % denominator == 0
    except InvalidField:
        fits = False
    if not fits:
        message = f"The prime ends in {numerator}/{denominator}, whose bars {card.name} cannot count. Name another metre."
        raise InvalidField(message, field="attributes.meter")


def _admit_text(request: GenerationRequest, catalog: Catalog) -> Admitted:
    task = request.task or ("continue" if request.prompt else "compose")
    if task == "continue" and not request.prompt:
        raise InvalidField("To continue, give a prompt; or compose, which starts from nothing.", field="prompt")
    if task == "compose" and request.prompt:
        raise InvalidField("To compose is to start from nothing: leave the prompt out, or ask to continue it.", field="prompt")
    card = _named_card(request, catalog) or catalog.default_for("text")
    _check_task(card, task)
    if any(not stop for stop in request.stop):
        raise InvalidField("A text to stop at cannot be empty.", field="stop")
    filled = {"length": _length(request.length or Length(), card), "prompt": request.prompt or None}
    return Admitted(_fill(request, card, task, filled), None, card)


def _fill(request: GenerationRequest, card: Card, task: str, filled: dict[str, Any]) -> GenerationRequest:
    return request.model_copy(update={"model": card.name, "task": task, "sampling": _sampling(request.sampling, card), **filled})


def _refuse_fields_of_the_other_kind(request: GenerationRequest) -> None:
    if request.kind == "text":
        if request.prime is not None:
            raise InvalidField("A text has no prime: what is to be continued goes into the prompt.", field="prime")
        for name, value in request.attributes:
            if value not in (None, ()):
                raise InvalidField(f"A text has no {name}; that is for music.", field=f"attributes.{name}")
        return
    if request.prompt and len(request.prompt) > MAX_MUSIC_PROMPT_CHARACTERS:
        message = f"A prompt for music may have {MAX_MUSIC_PROMPT_CHARACTERS:,} characters; this has {len(request.prompt):,}."
        raise InvalidField(message, field="prompt")
    if request.prompt:
        message = "No model reads a text prompt for music yet. Say what you want with key, meter, tempo, style and bars."
        raise InvalidField(message, field="prompt")
    if request.length is not None:
        raise InvalidField("Music is as long as its attributes.bars; words and sentences are for text.", field="length")
    if request.stop:
        raise InvalidField("Only a text can stop at a text.", field="stop")


def _named_card(request: GenerationRequest, catalog: Catalog) -> Card | None:
    if request.model is None:
        return None
    card = catalog.card(request.model)
    if card.kind != request.kind:
        others = ", ".join(other.name for other in catalog.cards.values() if other.kind == request.kind) or "none"
        raise InvalidField(
            f"{card.name} makes {card.kind}, not {request.kind}; for {request.kind} there are: {others}.", field="model"
        )
    return card


def _default_card(task: str, prime: Piece | None, catalog: Catalog) -> Card:
    """The music model meant by a request that names none: the default, or the first of its sort that can do what was asked."""
    percussion = prime is not None and is_percussion(prime)
    default = catalog.default_for("music", percussion)
    able = [
        card for card in catalog.cards.values()
        if card.playable is not None and card.playable.percussion == percussion and task in card.tasks
        and (prime is None or can_play(prime, card))
    ]  # fmt: skip
    return default if default in able or not able else able[0]


def _check_task(card: Card, task: str) -> None:
    if task not in card.tasks:
        raise UnsupportedTask(f"{card.name} cannot {task}; it can {' and '.join(card.tasks)}.", field="task")


def _attributes(asked: Attributes, card: Card) -> Attributes:
    """Each attribute as the card spells it, and the number of bars. One left out stays out: the model decides."""
    for name in ("instruments", "without"):
        if getattr(asked, name):
            message = f"{card.name} has one instrument of its own and cannot add or leave out any. Leave {name} empty."
            raise InvalidField(message, field=f"attributes.{name}")
    choices = card.attributes
    if choices is None:
        for name in ("key", "meter", "tempo", "style"):
            if getattr(asked, name) is not None:
                raise InvalidField(f"{card.name} understands no {name}. Leave it out.", field=f"attributes.{name}")
        return asked.model_copy(update={"bars": asked.bars or DEFAULT_BARS})
    _in_range(asked.tempo, choices.tempo, "tempo", "quarter notes a minute", card)
    _in_range(asked.bars, choices.bars, "bars", "bars", card)
    return asked.model_copy(
        update={
            "key": _choice(asked.key, choices.key, "key", lambda key: key_name(parse_key(key)), card),
            "meter": _choice(asked.meter, choices.meter, "meter", lambda meter: "{}/{}".format(*parse_meter(meter)), card),
            "style": _choice(asked.style, choices.style, "style", lambda style: " ".join(style.lower().split()), card),
            "bars": asked.bars or int(choices.bars.default or DEFAULT_BARS),
        }
    )


def _choice(asked: str | None, offered: list[str], name: str, normal: Callable[[str], str], card: Card) -> str | None:
    """What the card calls the value that was asked for."""
    if asked is None:
        return None
    if not offered:
        raise InvalidField(f"{card.name} understands no {name}. Leave it out.", field=f"attributes.{name}")
    wanted = normal(asked)
    for choice in offered:
        if normal(choice) == wanted:
            return choice
    raise InvalidField(
        f"{card.name} does not know the {name} {asked!r}; it knows {', '.join(offered)}.", field=f"attributes.{name}"
    )


def _in_range(value: float | None, bounds: Range, name: str, unit: str, card: Card) -> None:
    if value is not None and not bounds.minimum <= value <= bounds.maximum:
        message = f"{card.name} takes {bounds.minimum:g} to {bounds.maximum:g} {unit}, not {value:g}."
        raise InvalidField(message, field=f"attributes.{name}")


def _length(asked: Length, card: Card) -> Length:
    if asked.words is not None and asked.sentences is not None:
        raise InvalidField("Give a number of words or of sentences, not both.", field="length")
    if asked.sentences is not None:
        return asked
    if card.words is not None and asked.words is not None and not card.words.minimum <= asked.words <= card.words.maximum:
        message = f"{card.name} takes {card.words.minimum:g} to {card.words.maximum:g} words, not {asked.words}."
        raise InvalidField(message, field="length.words")
    default = card.words.default if card.words is not None and card.words.default else DEFAULT_WORDS
    return Length(words=asked.words or int(default))


def _sampling(asked: SamplingChoice, card: Card) -> SamplingChoice:
    """What the caller set, else the card's default, else SamplingParams' own; the seed drawn where there is none."""
    chosen = asked.model_dump(exclude_none=True)
    seed = chosen.pop("seed", None)
    defaults = SamplingParams()
    knobs = {
        "temperature": defaults.temperature,
        "top_k": defaults.top_k,
        "top_p": defaults.top_p,
        "repetition_penalty": defaults.repetition_penalty,
    }
    return SamplingChoice.model_validate(
        knobs | card.default_sampling | chosen | {"seed": secrets.randbelow(MAX_SEED + 1) if seed is None else seed}
    )
