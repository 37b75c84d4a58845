"""Generation without a server, in this one process: the same admission, and the slow reference loop."""

from __future__ import annotations

from cli.environment import read_settings
from cli.made import Made, Variation
from cli.progress import Progress
from core.catalog import CHECKPOINTS, Catalog
from worker.jobs.artifacts import artifact_name
from worker.jobs.request import GenerationRequest


def catalog() -> Catalog:
    return Catalog(read_settings().checkpoints or CHECKPOINTS)


def generate(request: GenerationRequest, progress: Progress) -> Made:
    """Raises RequestError, as the server's door would, or GenerationError."""
    from worker.jobs.admission import admit
    from worker.jobs.briefing import brief_of

    models = catalog()
    admitted = admit(request, models)

    from core.decoders import choose_decoders
    from core.generate import generate as generate_all

    settings = read_settings()
    decoder = choose_decoders(settings.device, settings.threads).load(models.folder, admitted.card)
    results = generate_all(decoder, brief_of(admitted.request, admitted.prime), progress)
    variations = [
        Variation(
            number=result.variation,
            seed=result.seed,
            finish_reason=result.finish_reason,
            figures=result.rendered.figures,
            file_name=artifact_name(result.variation, result.rendered.extension),
            data=result.rendered.data,
        )
        for result in results
    ]
    return Made(None, admitted.request.model_dump(mode="json"), variations)
