"""Every setting, with its limits. `configuration` reads them from platereel.yaml and the environment."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from shared.domain.codec import Codec
from shared.domain.names import CAMERA_ID, PLAIN_NAME
from shared.domain.policy import RecordingPolicy, unfit
from shared.domain.ports import BufferLimits
from shared.domain.retention import MAX_DAYS, ContentClass, RetentionPolicy, RetentionRule
from shared.runtime.quantities import Bytes, Days, Seconds
from shared.wire.urls import unusable_source
from shared.wire.webhooks import key_of

ENV_PREFIX = "PLATEREEL_"
EventName = Literal[
    "segment.recording", "segment.finalizing", "segment.ready", "segment.failed", "segment.deleted", "retention.stopped"
]
UNWATCHED_FPS = 1.0  # of a copied camera that no detector looks at: for snapshots
_SCALE = re.compile(r"[1-9][0-9]{1,3}x[1-9][0-9]{1,3}|0?\.[0-9]+|1(\.0+)?")
_SOURCE = re.compile(r"(synthetic:|file:|https?://|rtsps?://|/dev/video|push:)")
_REMOTE = re.compile(r"(https?|rtsps?)://")
_COPIED = ("rtsp://", "rtsps://")


def _check_camera_id(name: str) -> str:
    if not CAMERA_ID.fullmatch(name):
        raise ValueError(f"{name!r}: use 1-64 of letters, digits, dot, underscore and dash, and not . or ..")
    return name


CameraName = Annotated[str, AfterValidator(_check_camera_id)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class RecordingSettings(_Model):
    """How a camera is recorded. Unset here means: as set more generally, in the end the default in RecordingPolicy."""

    buffer_seconds: Annotated[Seconds, Field(ge=0, le=60)] | None = None
    post_event_seconds: Annotated[Seconds, Field(gt=0, le=600)] | None = None
    fps: Annotated[float, Field(gt=0, le=120)] | None = None
    capture_fps: Annotated[float, Field(gt=0, le=120)] | None = None
    min_confidence: Annotated[float, Field(ge=0, lt=1)] | None = None
    max_segment_seconds: Annotated[Seconds, Field(ge=2, le=3600)] | None = None
    part_seconds: Annotated[Seconds, Field(ge=1, le=15)] | None = None
    trigger_slack_seconds: Annotated[Seconds, Field(ge=0, le=60)] | None = None
    codec: Codec | None = None
    encoder: Literal["auto", "software", "nvenc", "qsv", "amf", "v4l2m2m"] | None = None
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium"] | None = None
    quality: Annotated[int, Field(ge=1, le=63)] | None = None
    bitrate: Annotated[Bytes, Field(ge=10_000, le=200_000_000)] | None = None
    scale: str | None = None
    color_range: Literal["full", "limited"] | None = None
    jpeg_quality: Annotated[int, Field(ge=10, le=100)] | None = None
    max_buffer_bytes: Annotated[Bytes, Field(ge=1_000_000)] | None = None
    hold_cap_seconds: Annotated[Seconds, Field(ge=10, le=600)] | None = None
    source_timeout_seconds: Annotated[Seconds, Field(ge=2, le=600)] | None = None

    @field_validator("scale", mode="before")
    @classmethod
    def _check_scale(cls, value: object) -> object:
        if value is None or _SCALE.fullmatch(str(value)):
            return None if value is None else str(value)
        raise ValueError("write a size as 1280x720 or a factor as 0.5")


class RetentionSettings(_Model):
    """How long and how much is kept; unset: no limit of that kind (overall, 30 days)."""

    days: Annotated[Days, Field(ge=0, le=MAX_DAYS)] | None = None
    bytes: Annotated[Bytes, Field(ge=0)] | None = None


class ContentClassSettings(_Model):
    """Clips that are kept longer for what they show: one of these plates (* and ?), or an attribute that is set."""

    name: Annotated[str, Field(pattern=f"^{PLAIN_NAME.pattern}$")]
    days: Annotated[Days, Field(ge=0, le=MAX_DAYS)] | None = None
    plates: list[Annotated[str, Field(min_length=1, max_length=32)]] = Field(default_factory=list, max_length=10_000)
    attribute: Annotated[str, Field(min_length=1, max_length=64)] | None = None

    @model_validator(mode="after")
    def _check(self) -> ContentClassSettings:
        if not self.plates and self.attribute is None:
            raise ValueError("names neither plates nor an attribute: nothing would belong to it")
        return self


class StoreRetentionSettings(RetentionSettings):
    """Retention over all cameras; what is under pressure goes oldest first, clips of a class last."""

    free_bytes: Annotated[Bytes, Field(ge=0)] | None = None
    min_days: Annotated[Days, Field(ge=0, le=MAX_DAYS)] = 0.0
    history_days: Annotated[Days, Field(ge=1, le=MAX_DAYS)] = 365.0
    guard_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    classes: list[ContentClassSettings] = Field(default_factory=list, max_length=100)


class CameraSettings(RecordingSettings):
    """One camera; `{PLATEREEL_…}` in its source is filled from the environment or a secret file."""

    source: SecretStr
    detect: bool = True
    retention: RetentionSettings | None = None

    @field_validator("source")
    @classmethod
    def _check_source(cls, value: SecretStr) -> SecretStr:
        if not _SOURCE.match(value.get_secret_value()):
            raise ValueError("begins with none of synthetic:, file:, http://, https://, rtsp://, /dev/video, push:")
        wrong = unusable_source(value.get_secret_value()) if _REMOTE.match(value.get_secret_value()) else None
        if wrong is not None:
            raise ValueError(wrong)
        return value


class WebhookSettings(_Model):
    """Where events are posted to, signed with `secret`; `private` allows an address of the own network."""

    name: Annotated[str, Field(pattern=f"^{PLAIN_NAME.pattern}$")]
    url: SecretStr
    secret: Annotated[SecretStr, Field(min_length=16, max_length=200)]
    events: Annotated[list[EventName], Field(min_length=1)] = [
        "segment.ready",
        "segment.failed",
        "segment.deleted",
        "retention.stopped",
    ]
    private: bool = False
    format: Literal["json", "cloudevents"] = "json"

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: SecretStr) -> SecretStr:
        if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", value.get_secret_value()):
            raise ValueError("begins with neither http:// nor https://")
        return value

    @field_validator("secret")
    @classmethod
    def _check_secret(cls, value: SecretStr) -> SecretStr:
        key_of(value.get_secret_value())
        return value


class JwtSettings(_Model):
    """Access tokens of an identity provider; claims may be paths such as realm_access.roles.

    Where cameras_claim is given, a token without it is for no camera. Else `cameras` limits a token that has it.
    """

    jwks_url: Annotated[str, Field(pattern=r"^https?://\S+$")]
    issuer: Annotated[str, Field(min_length=1)]
    audience: Annotated[str, Field(min_length=1)]
    name_claim: str = "sub"
    role_claim: str = "role"
    cameras_claim: str | None = None


class ApiSettings(_Model):
    """Where the API listens, and whom it believes."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    proxy_user_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")] | None = None
    proxy_role_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")] | None = None
    jwt: JwtSettings | None = None
    trusted_proxies: list[IPv4Network | IPv6Network] = Field(default_factory=list, max_length=100)

    @model_validator(mode="after")
    def _check(self) -> ApiSettings:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        if self.proxy_role_header is not None and self.proxy_user_header is None:
            raise ValueError("proxy_role_header: says nothing without proxy_user_header")
        if self.proxy_user_header is not None and not self.trusted_proxies:
            raise ValueError("proxy_user_header: whoever can reach the API could send it; name trusted_proxies")
        return self


class Settings(BaseSettings):
    """All settings of a deployment. Environment variables win over the file."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", hide_input_in_errors=True
    )

    defaults: RecordingSettings = Field(default_factory=RecordingSettings)
    retention: StoreRetentionSettings = Field(default_factory=lambda: StoreRetentionSettings(days=30))
    api: ApiSettings = Field(default_factory=ApiSettings)
    cameras: dict[CameraName, CameraSettings] = Field(default_factory=dict)
    webhooks: list[WebhookSettings] = Field(default_factory=list, max_length=32)

    database_url: SecretStr | None = None
    frames_url: SecretStr | None = None
    broker_url: SecretStr | None = None
    storage_url: SecretStr | None = None
    api_keys: SecretStr | None = None
    signing_key: SecretStr | None = None
    storage_public_url: Annotated[str, Field(pattern=r"^https?://[^/@\s]+/?$")] | None = None

    redis_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,40}$")] = "platereel"
    detections_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,80}$")] = "detections"
    delete_grace_seconds: Annotated[Seconds, Field(ge=0, le=3600)] = 60
    cleanup_seconds: Annotated[Seconds, Field(ge=5)] = 60
    check_seconds: Annotated[Seconds, Field(ge=10)] = 3600
    check_age_floor_seconds: Annotated[Seconds, Field(ge=0)] = 3600
    parts_kept_seconds: Annotated[Seconds, Field(ge=0, le=86_400)] = 300
    worker_memory_bytes: Annotated[Bytes, Field(ge=500_000_000)] = 4_000_000_000
    encoder_threads: Literal["auto"] | Annotated[int, Field(ge=1, le=16)] = "auto"
    detect_fps: Annotated[float, Field(gt=0, le=60)] = 5.0
    work_dir: Path | None = None
    pulse_file: Path | None = None
    metrics_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    metrics_port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    metrics_dir: Path | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "console"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment first, then what `configuration` read from the file."""
        return env_settings, init_settings

    @field_validator("webhooks")
    @classmethod
    def _check_webhook_names(cls, value: list[WebhookSettings]) -> list[WebhookSettings]:
        names = [webhook.name for webhook in value]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two webhooks are called {twice[0]}")
        return value

    @model_validator(mode="after")
    def _check_policies(self) -> Settings:
        for camera_id in self.cameras:
            policy = self.policy(camera_id)
            if policy.buffer_seconds + policy.post_event_seconds > policy.max_segment_seconds:
                raise ValueError(
                    f"cameras.{camera_id}: buffer_seconds + post_event_seconds exceed max_segment_seconds "
                    f"({policy.max_segment_seconds:g})"
                )
            wrong = unfit(policy)
            if policy.copied and not self.source(camera_id).startswith(_COPIED):
                wrong = "codec copy needs a source with H.264 or H.265 packets: rtsp:// or rtsps://"
            if wrong is not None:
                raise ValueError(f"cameras.{camera_id}: {wrong}")
        return self

    def merged(self, camera_id: str) -> dict[str, Any]:
        """A camera's recording settings over the defaults; unset ones are absent."""
        camera = self.cameras.get(camera_id)
        general = self.defaults.model_dump(exclude_none=True)
        own = {} if camera is None else camera.model_dump(exclude_none=True, exclude={"source", "detect", "retention"})
        return general | own

    def policy(self, camera_id: str) -> RecordingPolicy:
        """How a camera is recorded."""
        merged = self.merged(camera_id)
        merged.setdefault("capture_fps", merged.get("fps", RecordingPolicy().fps))
        return RecordingPolicy.from_json(merged)

    def jpeg_fps(self, camera_id: str) -> float:
        """JPEGs a second that capture makes: for recording, or of a camera that is copied for the detector alone."""
        policy = self.policy(camera_id)
        if not policy.copied:
            return policy.capture_fps
        return self.detect_fps if self.cameras[camera_id].detect else UNWATCHED_FPS

    def limits(self, camera_id: str) -> BufferLimits:
        """How far back a camera's buffer reaches."""
        merged, policy = self.merged(camera_id), self.policy(camera_id)
        keep_ms = round((policy.buffer_seconds + policy.trigger_slack_seconds) * 1000)
        cap_ms = round(merged.get("hold_cap_seconds", 60) * 1000)
        return BufferLimits(keep_ms, max(cap_ms, keep_ms), merged.get("max_buffer_bytes", 256_000_000))

    def jpeg_quality(self, camera_id: str) -> int:
        """Quality of JPEGs that capture encodes itself."""
        return int(self.merged(camera_id).get("jpeg_quality", 85))

    def source_timeout_s(self, camera_id: str) -> float:
        """After how many seconds without a picture a camera is opened again."""
        return float(self.merged(camera_id).get("source_timeout_seconds", 10.0))

    def retention_policy(self) -> RetentionPolicy:
        """What the cleanup decides by."""
        cameras = {
            camera_id: RetentionRule(
                self.retention.days if camera.retention.days is None else camera.retention.days,
                camera.retention.bytes,
            )
            for camera_id, camera in self.cameras.items()
            if camera.retention is not None
        }
        overall = self.retention
        classes = [ContentClass(each.name, each.days, tuple(each.plates), each.attribute) for each in overall.classes]
        return RetentionPolicy(
            overall=RetentionRule(overall.days, overall.bytes),
            cameras=cameras,
            classes=classes,
            free_bytes=overall.free_bytes,
            min_days=overall.min_days,
            guard_share=overall.guard_share,
        )

    def kept_days(self, camera_id: str) -> float | None:
        """How long a camera's clips are kept; None: for ever."""
        own = self.cameras[camera_id].retention if camera_id in self.cameras else None
        return self.retention.days if own is None or own.days is None else own.days

    def source(self, camera_id: str) -> str:
        """A camera's source with its password: never log it, see `shown`."""
        return self.cameras[camera_id].source.get_secret_value()
