"""The models of one worker: opened when they are first asked for, and closed, least recently used first, under one memory cap."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Collection

from core.catalog import Catalog
from core.decoders import Decoders
from core.decoding import Decoder

logger = logging.getLogger(__name__)


class Models:
    """Decoders by name. Together they take at most `most_bytes`, but for the one that was opened last."""

    def __init__(self, catalog: Catalog, decoders: Decoders, most_bytes: int) -> None:
        self.catalog, self.most_bytes = catalog, most_bytes
        self._decoders = decoders
        self._open: OrderedDict[str, Decoder] = OrderedDict()

    def get(self, name: str, busy: Collection[str] = ()) -> Decoder:
        """Those `busy` stay open whatever they take. Raises UnknownModel, CheckpointError."""
        if name not in self._open:
            self._open[name] = self._decoders.load(self.catalog.folder, self.catalog.card(name))
            self._close_others(name, busy)
        self._open.move_to_end(name)
        return self._open[name]

    @property
    def names(self) -> list[str]:
        """Of those that are open, least recently used first."""
        return list(self._open)

    @property
    def size_bytes(self) -> int:
        return sum(decoder.size_bytes for decoder in self._open.values())

    def _close_others(self, name: str, busy: Collection[str]) -> None:
        for other in [each for each in self._open if each != name and each not in busy]:
            if self.size_bytes <= self.most_bytes:
                break
            logger.info("closing the model %s to make room for %s", other, name)
            del self._open[other]
