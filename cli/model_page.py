"""docs/models.md, made from the model cards: `python -m cli.model_page` prints it."""

from __future__ import annotations

from core.catalog import Card, Catalog

INTRODUCTION = """\
# The models

This page is made from the cards in `core/checkpoints` by `make docs`. A card goes with every checkpoint: what it is for,
what it learnt from, what it measures and what it is not good for.
"""


def model_page(cards: list[Card]) -> str:
    return "\n".join([INTRODUCTION, *(_section(card) for card in cards)])


def _section(card: Card) -> str:
    lines = [f"## {card.name}", "", card.summary["en"], "", *(f"* {fact}" for fact in _facts(card)), ""]
    lines += ["| measured | value | floor | on | by |", "|---|---|---|---|---|"]
    for figure in card.figures:
        floor = f"{figure.floor:.4g} ({figure.floor_is})" if figure.floor is not None else ""
        value = f"{figure.value:.4g} {figure.unit} ({figure.better} is better)"
        lines.append(f"| {figure.what} | {value} | {floor} | {figure.split} | `{figure.command}` |")
    lines += ["", "| learnt from | licence | how much of it |", "|---|---|---|"]
    lines += [f"| [{source.name}]({source.source}) | {source.licence} | {source.used} |" for source in card.data]
    return "\n".join([*lines, "", f"**Limits.** {card.limits['en']}", ""])


def _facts(card: Card) -> list[str]:
    facts = [f"{card.kind}; can {' and '.join(card.tasks)}; {card.parameters:,} weights; licence: {card.licence}"]
    if card.attributes is not None:
        for name in ("style", "key", "meter"):
            choices = getattr(card.attributes, name)
            if choices:
                facts.append(f"{name}: {', '.join(choices)}")
        facts.append(f"tempo: {card.attributes.tempo.minimum:g}–{card.attributes.tempo.maximum:g} quarter notes a minute")
        facts.append(f"bars: {card.attributes.bars.minimum:g}–{card.attributes.bars.maximum:g}")
    if card.words is not None:
        facts.append(f"words: {card.words.minimum:g}–{card.words.maximum:g}")
    return facts


if __name__ == "__main__":
    print(model_page(list(Catalog().cards.values())), end="")
