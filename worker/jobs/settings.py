"""Everything that can be set from outside: environment variables, read once by an entry point and passed down."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

API_KEY = re.compile(r"([A-Za-z0-9_.-]{1,64}):([0-9a-f]{64})")


class Settings(BaseSettings):
    """The environment of the web server, the worker, the launcher and the command line.

    Each field's `validation_alias` is its variable's name and its description says what it does; in Python a field is
    set by its own name (`Settings(queue_limit=5)`). An empty variable counts as not set.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", populate_by_name=True, env_ignore_empty=True, allow_inf_nan=False
    )

    redis_url: str = Field(
        "redis://127.0.0.1:6379/0",
        validation_alias="REDIS_URL",
        description="The Redis (7 or newer) or Valkey server: redis://, rediss:// or unix:///path. "
        "Unset, `ritornello up` starts its own.",
    )
    data_dir: Path = Field(
        Path("var"),
        validation_alias="DATA_DIR",
        description="Folder of the embedded server's files, its socket and the secret key.",
    )
    host: str = Field("127.0.0.1", validation_alias="HOST", description="Address on which the web server listens.")
    port: int = Field(8000, ge=1, le=65535, validation_alias="PORT", description="Port on which the web server listens.")

    workers: int = Field(
        2,
        ge=1,
        le=64,
        validation_alias="RITORNELLO_WORKERS",
        description="Workers that `ritornello up` starts; each decodes on one core.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", validation_alias="RITORNELLO_DEVICE", description="Where a worker computes; auto takes CUDA when there is one."
    )
    slots: int = Field(
        32,
        ge=8,
        le=1024,
        validation_alias="RITORNELLO_SLOTS",
        description="Variations that one worker decodes together; at least 8, the most that one job may ask for.",
    )
    threads: int = Field(
        1,
        ge=1,
        le=16,
        validation_alias="RITORNELLO_THREADS",
        description="Cores that share each step of the CPU's decoder: more than 1 makes a lone long job faster on cores that "
        "nothing else uses; a second worker is the better use of a second core.",
    )
    model_bytes: int = Field(
        512_000_000,
        ge=1_000_000,
        validation_alias="RITORNELLO_MODEL_BYTES",
        description="Memory for the models of one worker; beyond it the least recently used is closed.",
    )
    checkpoints: Path | None = Field(
        None,
        validation_alias="RITORNELLO_CHECKPOINTS",
        description="Folder of checkpoints to use instead of those that come with Ritornello.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", validation_alias="RITORNELLO_LOG_LEVEL", description="The least severe message that is logged."
    )

    lease_seconds: float = Field(
        8.0,
        ge=0.1,
        le=600,
        validation_alias="RITORNELLO_LEASE_SECONDS",
        description="A worker that shows no progress on a job for so long loses it to another.",
    )
    reap_seconds: float = Field(
        2.0,
        ge=0.05,
        le=60,
        validation_alias="RITORNELLO_REAP_SECONDS",
        description="How often each worker looks for lost leases, passed deadlines and lost wake-ups.",
    )
    deadline_seconds: float = Field(
        900.0,
        ge=1,
        le=86_400,
        validation_alias="RITORNELLO_DEADLINE_SECONDS",
        description="A job that has not ended so long after it was accepted is given up.",
    )
    queue_limit: int = Field(
        200,
        ge=1,
        le=100_000,
        validation_alias="RITORNELLO_QUEUE_LIMIT",
        description="Jobs that may wait; one more is refused with 429 and Retry-After.",
    )
    store_bytes: int = Field(
        256_000_000,
        ge=100_000,
        validation_alias="RITORNELLO_STORE_BYTES",
        description="Bytes that all jobs together may hold; above it the oldest finished jobs are removed.",
    )
    retention_seconds: int = Field(
        0,
        ge=0,
        validation_alias="RITORNELLO_RETENTION_SECONDS",
        description="A finished job is removed after so long; 0 keeps it until RITORNELLO_STORE_BYTES is reached.",
    )

    secret_key: SecretStr | None = Field(
        None,
        validation_alias="RITORNELLO_SECRET_KEY",
        description="Signs sessions and forms. `ritornello up` makes one under DATA_DIR; several web servers must share one.",
    )
    owners: Literal["local", "session"] = Field(
        "local",
        validation_alias="RITORNELLO_OWNERS",
        description="local: everybody on the page is one owner; session: each browser sees its own jobs only.",
    )
    api_keys: Annotated[dict[str, str], NoDecode] = Field(
        {},
        validation_alias="RITORNELLO_API_KEYS",
        description="Comma list of name:sha256 (hex, of the key); when set, the API demands a key. `ritornello keys` makes one.",
    )
    trusted_proxies: int = Field(
        0,
        ge=0,
        le=8,
        validation_alias="RITORNELLO_TRUSTED_PROXIES",
        description="Reverse proxies in front of the web server whose X-Forwarded headers are believed.",
    )
    trusted_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias="RITORNELLO_TRUSTED_HOSTS",
        description="Comma list of the host names that may stand in a request; unset, any.",
    )
    sse_limit: int = Field(
        48,
        ge=0,
        le=4096,
        validation_alias="RITORNELLO_SSE_LIMIT",
        description="Event streams that one web process keeps open; beyond it pages poll.",
    )

    @model_validator(mode="after")
    def _reaps_often_enough(self) -> Settings:
        if self.reap_seconds > self.lease_seconds / 2:  # the reaper takes a longer silence of its own for an outage
            raise ValueError("RITORNELLO_REAP_SECONDS must be at most half of RITORNELLO_LEASE_SECONDS")
        return self

    @field_validator("api_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        keys: dict[str, str] = {}
        for entry in filter(None, (part.strip() for part in value.split(","))):
            match = API_KEY.fullmatch(entry)
            if match is None or match[1] in keys:
                raise ValueError("each entry must be name:sha256, the name used once and the hash in 64 small hex digits")
            keys[match[1]] = match[2]
        return keys

    @field_validator("trusted_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(filter(None, (part.strip() for part in value.split(","))))
