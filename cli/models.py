"""`ritornello models`: the cards of a server, or of this installation."""

from __future__ import annotations

import json
from typing import Any

import click

from cli import in_process
from cli.exits import Verb
from cli.find_server import find_server, server_options
from cli.table import table


@click.command("models", cls=Verb)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output: the cards.")
@server_options
def models(as_json: bool, server_url: str | None, api_key: str | None) -> None:
    """List the models: what they are for, and what they measure."""
    server = find_server(server_url, api_key)
    if server is not None:
        cards = server.get("/api/v1/models")["models"]
    else:
        cards = [card.model_dump(mode="json") for card in in_process.catalog().cards.values()]
    if as_json:
        click.echo(json.dumps({"models": cards}, ensure_ascii=False))
    elif cards:
        click.echo(table(["NAME", "KIND", "TASKS", "PARAMETERS", "MEASURES", "IS"], [_row(card) for card in cards]))
    else:
        click.echo("There are no models.", err=True)


def _row(card: dict[str, Any]) -> list[str]:
    figure = card["figures"][0] if card["figures"] else None
    measured = f"{figure['value']:.4g} {figure['unit']}" if figure else ""
    title = card["title"].get("en") or next(iter(card["title"].values()), "")
    return [card["name"], card["kind"], " ".join(card["tasks"]), f"{card['parameters']:,}", measured, title]
