"""Who writes in a checkpoint's language: by the kind of its tokenizer. Torch-free."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.brief import Author
from core.catalog import Card
from core.errors import CheckpointError
from core.music.composer import Composer
from core.text.writer import Writer

AUTHORS: dict[str, Callable[[dict[str, Any]], Author]] = {"music": Composer, "characters": Writer}


def author_of(card: Card) -> Author:
    """Raises CheckpointError when the card's tokenizer is none that we know."""
    try:
        return AUTHORS[card.tokenizer["kind"]](card.tokenizer)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"The tokenizer of {card.name!r} cannot be made from its card: {error!r}") from error
