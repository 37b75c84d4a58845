"""`python -m core.training.repack NAME --data DIR`: pack a checkpoint's weights anew, its calibration and all.

For when the packed format changes; the weights stay what they were.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

from core.catalog import CARD, CHECKPOINTS, PACKED, WEIGHTS, Card
from core.checkpoint import load_weights
from core.packed import packed_bytes
from core.training.calibration import measure_ranges, pack_model
from core.training.export import write_card
from core.training.recipes import RECIPES
from core.training.run import open_corpus


def repack(name: str, data: Path, folder: Path) -> None:
    """Write `folder`/<name>/packed.safetensors from the weights beside it, and its sha256 into the card."""
    fields = json.loads((folder / name / CARD).read_text(encoding="utf-8"))
    model = load_weights((folder / name / WEIGHTS).read_bytes(), fields["architecture"])
    recipe = RECIPES[fields["trained"]["recipe"]]
    ranges = measure_ranges(model, open_corpus(recipe, data).validation(recipe.rows, recipe.chunk))
    packed = packed_bytes(pack_model(model, ranges))
    (folder / name / PACKED).write_bytes(packed)
    write_card(Card.model_validate(fields | {"packed_sha256": hashlib.sha256(packed).hexdigest()}), folder / name)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m core.training.repack", description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="what the checkpoint was trained on")
    parser.add_argument("--checkpoints", type=Path, default=CHECKPOINTS, metavar="DIR")
    given = parser.parse_args()
    repack(given.name, given.data, given.checkpoints)


if __name__ == "__main__":
    main()
