"""Every error Ritornello raises on purpose, in one tree.

    AppError
    ├── RequestError            the person who asked can mend it; `field` names the place
    │   ├── InvalidField        a value out of range, of the wrong type, or unknown
    │   ├── UnknownModel        no checkpoint of that name
    │   ├── UnsupportedTask     the model cannot do that task
    │   ├── UnplayablePrime     notes the model cannot read
    │   ├── MidiError           bytes that are not a MIDI file within our bounds
    │   ├── NotationError       typed notes, ABC or a beat grid that do not parse
    │   ├── InputTooCostly      reading the input took more than its time or memory
    │   ├── NotFound            no such job or artifact (or it has expired)
    │   ├── IdempotencyConflict the key was used before, for another request
    │   ├── NotReady            the artifact belongs to a job that has not succeeded
    │   └── QueueFull           too many jobs are waiting; come back later
    └── GenerationError         ours
        ├── CheckpointError     a checkpoint folder that cannot be trusted or read
        ├── KernelUnavailable   the native decode kernel was not built, or cannot be
        ├── TrainingDiverged    gradients vanished or exploded
        ├── StoreUnavailable    the job store does not answer
        ├── WorkerLost          the workers that ran the job died, three times
        ├── DeadlineExceeded    the job ran past its deadline
        └── InternalError       everything we did not foresee

A class's docstring is its default message; `code` is stable and public.
"""

from __future__ import annotations


class AppError(Exception):
    """Something went wrong."""

    code = "error"

    def __init__(self, message: str | None = None) -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        super().__init__(self.message)


class RequestError(AppError):
    """The request cannot be carried out as it is."""

    code = "invalid_request"

    def __init__(self, message: str | None = None, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field  # dotted path into the request, such as "attributes.key"


class InvalidField(RequestError):
    """A field has a value that is not allowed."""

    code = "invalid_field"


class UnknownModel(RequestError):
    """There is no model of that name."""

    code = "unknown_model"


class UnsupportedTask(RequestError):
    """The model cannot do that task."""

    code = "unsupported_task"


class UnplayablePrime(RequestError):
    """The prime has notes that the model cannot play."""

    code = "unplayable_prime"


class MidiError(RequestError):
    """This is not a MIDI file that we can read."""

    code = "invalid_midi"


class NotationError(RequestError):
    """The notation does not parse."""

    code = "invalid_notation"


class InputTooCostly(RequestError):
    """Reading this input would take too much time or memory."""

    code = "input_too_costly"


class NotFound(RequestError):
    """There is no such thing, or it has expired."""

    code = "not_found"


class IdempotencyConflict(RequestError):
    """This idempotency key was used before, for another request."""

    code = "idempotency_conflict"


class NotReady(RequestError):
    """The job has no result yet."""

    code = "not_ready"


class QueueFull(RequestError):
    """Too many jobs are waiting. Please try again in a moment."""

    code = "queue_full"

    def __init__(self, message: str | None = None, *, retry_after_seconds: int = 5) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class GenerationError(AppError):
    """The generation failed."""

    code = "generation_failed"


class CheckpointError(GenerationError):
    """The model's checkpoint cannot be read."""

    code = "bad_checkpoint"


class KernelUnavailable(GenerationError):
    """The native decode kernel is not there."""

    code = "kernel_unavailable"


class TrainingDiverged(GenerationError):
    """Training stopped: the gradients vanished or exploded."""

    code = "training_diverged"


class StoreUnavailable(GenerationError):
    """The job store does not answer. Please try again in a moment."""

    code = "store_unavailable"


class WorkerLost(GenerationError):
    """The workers that ran this job died; it was tried three times."""

    code = "worker_lost"


class DeadlineExceeded(GenerationError):
    """The job ran past its deadline."""

    code = "deadline_exceeded"


class InternalError(GenerationError):
    """Something broke on our side. The log has the details."""

    code = "internal_error"
