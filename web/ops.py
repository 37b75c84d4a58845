"""For whoever runs the server: is it alive, is it ready, how is it doing."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, current_app
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from core.errors import StoreUnavailable
from web.openapi import TEXT, answers
from web.schemas import Liveness, Readiness

ops = APIBlueprint("ops", __name__, tag={"name": "Operation", "description": "Probes and figures for whoever runs the server."})


@ops.get("/livez")
@ops.output(Liveness)
@ops.doc(operation_id="livez")
def livez() -> Liveness:
    """The process answers.

    Asks nobody else: a server whose store is away must not be restarted for it.
    """
    return Liveness()


@ops.get("/readyz")
@ops.output(Readiness)
@ops.doc(operation_id="readyz", responses=answers({503: "Not ready; `reasons` says why."}, schema="Readiness"))
def readyz() -> tuple[Readiness, int]:
    """Jobs sent now would be done.

    The store answers, a worker lives, and there are models.
    """
    store, catalog = current_app.extensions["store"], current_app.extensions["catalog"]
    reasons, workers = [], None
    try:
        store.ping()
        workers = store.stats().workers
        if workers == 0:
            reasons.append("No worker has sent a heartbeat lately.")
    except StoreUnavailable as error:
        reasons.append(error.message)
    if not catalog.cards:
        reasons.append(f"There is no model in {catalog.folder}.")
    readiness = Readiness(ready=not reasons, reasons=reasons, workers=workers, models=len(catalog.cards))
    return readiness, 503 if reasons else 200


@ops.get("/metrics")
@ops.doc(operation_id="metrics", responses=answers({200: "Prometheus' text format."}, media_type=TEXT))
def metrics() -> Response:
    """Figures for Prometheus."""
    registry = current_app.extensions["metrics"].registry
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
