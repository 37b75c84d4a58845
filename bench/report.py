"""How a bench speaks: tables for people, and as the last line one JSON object for the tables that are made from it."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from core.catalog import Card


@dataclass(frozen=True)
class Measurement:
    """One figure. `floor` is what something trivial reaches, `peer` what others' way of doing it reached in the same run."""

    what: str
    value: float
    unit: str
    better: Literal["lower", "higher"]
    split: str = ""
    floor: float | None = None
    floor_is: str | None = None
    peer: float | None = None
    peer_is: str | None = None


def table(heads: Sequence[str], rows: Sequence[Sequence[str | float | None]]) -> str:
    """Columns as wide as what stands in them; numbers to the right, None as a dash."""
    lines = [list(heads), *([_cell(value) for value in row] for row in rows)]
    for column in range(len(heads)):
        width = max(len(line[column]) for line in lines)
        number = any(isinstance(row[column], float) for row in rows)
        for line in lines:
            line[column] = line[column].rjust(width) if number else line[column].ljust(width)
    return "\n".join("  ".join(line).rstrip() for line in lines)


def _cell(value: str | float | None) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else f"{value:.4g}" if abs(value) >= 10 else f"{value:.4f}"


def show(bench: str, card: Card | None, measurements: Sequence[Measurement], quick: bool) -> None:
    """The table of what was measured, on what machine, and the JSON line. No card: the weights are random, only speed counts."""
    rows = [(m.what, m.split or "–", m.value, m.unit, m.floor, m.peer, f"{m.better} is better") for m in measurements]
    print(table(["what", "on", "value", "unit", "floor", "peer", ""], rows))
    for kind, is_what in (("floor", {m.floor_is for m in measurements}), ("peer", {m.peer_is for m in measurements})):
        for words in sorted(words for words in is_what if words):
            print(f"{kind}: {words}")
    if quick:
        print("--quick: measured on a part only; not for publication")
    about = machine()
    computer = f"{about['cpu']}, {about['cores']} cores, load {about['load']}"
    print(f"machine: {computer}; torch {about['torch']}, {about['threads']} thread{'s' if about['threads'] > 1 else ''}")
    print(last_line(bench, card, measurements, about, quick))


def last_line(
    bench: str, card: Card | None, measurements: Sequence[Measurement], about: dict[str, Any], quick: bool
) -> str:
    """One JSON object on one line."""
    figures = [
        {
            "what": m.what,
            "split": m.split or None,
            "value": round(m.value, 4),
            "unit": m.unit,
            "better": m.better,
            "floor": None if m.floor is None else round(m.floor, 4),
            "floor_is": m.floor_is,
            "peer": None if m.peer is None else round(m.peer, 4),
            "peer_is": m.peer_is,
        }
        for m in measurements
    ]
    checkpoint = None if card is None else {"name": card.name, "sha256": card.sha256}
    document = {"bench": bench, "figures": figures, "machine": about, "checkpoint": checkpoint, "quick": quick}
    return json.dumps(document, ensure_ascii=False, allow_nan=False)


def machine() -> dict[str, Any]:
    """What the figures depend on besides the code. `load`: processes that wanted a core during the last minute."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }


def _cpu_model() -> str:
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
