"""`ritornello jobs`: what a server has made, makes and will make."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

import click

from cli.exits import Verb
from cli.find_server import need_server, server_options
from cli.table import table


@click.command("jobs", cls=Verb)
@click.argument("action", type=click.Choice(["list", "show", "cancel"]), default="list")
@click.argument("job_id", required=False)
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="list: jobs a page.")
@click.option("--cursor", help="list: where the page begins, from the page before.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@server_options
def jobs(
    action: str, job_id: str | None, limit: int, cursor: str | None, as_json: bool, server_url: str | None, api_key: str | None
) -> None:
    """List your jobs, newest first; show one (`jobs show ID`), or cancel one (`jobs cancel ID`)."""
    if (job_id is None) != (action == "list"):
        raise click.UsageError("`jobs show` and `jobs cancel` take the job's id; `jobs list` takes none.")
    server = need_server(server_url, api_key)
    if job_id is None:
        query = {"limit": limit, **({"cursor": cursor} if cursor else {})}
        document = server.get(f"/api/v1/jobs?{urlencode(query)}")
    elif action == "show":
        document = server.get(f"/api/v1/jobs/{quote(job_id, safe='')}")
    else:
        document = server.post(f"/api/v1/jobs/{quote(job_id, safe='')}/cancel")
    if as_json:
        click.echo(json.dumps(document, ensure_ascii=False))
    elif job_id is None:
        _show_page(document)
    else:
        click.echo("\n".join(_describe(document)))


def _show_page(page: dict[str, Any]) -> None:
    if not page["jobs"]:
        click.echo("There are no jobs.", err=True)
        return
    rows = [[job["id"], job["status"], job["request"]["model"] or "", _progress(job), job["created_at"]] for job in page["jobs"]]
    click.echo(table(["ID", "STATUS", "MODEL", "PROGRESS", "CREATED"], rows))
    if page["next_cursor"]:
        click.echo(f"There are more: --cursor {page['next_cursor']}", err=True)


def _progress(job: dict[str, Any]) -> str:
    if job["status"] == "queued":
        return f"{job['position']} before it"
    step, total = job["progress"]["step"], job["progress"]["total"]
    return f"{100 * step // total} %" if total else ""


def _describe(job: dict[str, Any]) -> list[str]:
    lines = [f"id       {job['id']}", f"status   {job['status']}"]
    lines += [f"model    {job['request']['model']}", f"created  {job['created_at']}"]
    if progress := _progress(job):
        lines.append(f"progress {progress}")
    if job["error"]:
        lines.append(f"error    {job['error']['message']} ({job['error']['code']})")
    lines += [f"result   {r['variation']}: seed {r['seed']}, ended by {r['finish_reason']}" for r in job["results"]]
    lines += [f"file     {artifact['name']}  {artifact['url']}" for artifact in job["artifacts"]]
    return lines
