"""Every setting, with its limits. `configuration` reads them from platereel.yaml and the
environment.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from shared.domain.codec import Codec
from shared.domain.policy import ENCODER_NEEDED, RecordingPolicy, unfit
from shared.domain.ports import BufferLimits
from shared.domain.retention import (
    ContentClass,
    ReadsKept,
    RetentionPolicy,
    RetentionRule,
    capped,
)
from shared.runtime.quantities import Bytes, Seconds
from shared.runtime.sections import (
    AccessSettings,
    ApiSettings,
    BackupSettings,
    CameraName,
    CameraSettings,
    MqttSettings,
    RecordingSettings,
    StoreRetentionSettings,
    WebhookSettings,
)
from shared.wire.mqtt import LANE
from shared.wire.urls import RTSP

ENV_PREFIX = "PLATEREEL_"
VIEWED_FPS = 5.0  # of a copied camera that no detector looks at, while a person does
AUTO = "auto"  # copied where the camera's own H.264 allows it, else encoded as H.264
ALWAYS = "none"  # of max_pass_seconds: a vehicle that stays is recorded as long as it stays


class Settings(BaseSettings):
    """All settings of a deployment. Environment variables win over the file."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", hide_input_in_errors=True
    )

    defaults: RecordingSettings = Field(default_factory=RecordingSettings)
    retention: StoreRetentionSettings = Field(
        default_factory=lambda: StoreRetentionSettings(days=30)
    )
    api: ApiSettings = Field(default_factory=ApiSettings)
    access: AccessSettings = Field(default_factory=AccessSettings)
    backup: BackupSettings = Field(default_factory=BackupSettings)
    cameras: dict[CameraName, CameraSettings] = Field(default_factory=dict)
    webhooks: list[WebhookSettings] = Field(default_factory=list, max_length=32)
    mqtt: MqttSettings | None = None

    database_url: SecretStr | None = None
    frames_url: SecretStr | None = None
    broker_url: SecretStr | None = None
    storage_url: SecretStr | None = None
    backup_url: SecretStr | None = None
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
    camera_down_seconds: Annotated[Seconds, Field(ge=1, le=3600)] = 10
    detect_fps: Annotated[float, Field(gt=0, le=60)] = 5.0
    work_dir: Path | None = None
    pulse_file: Path | None = None
    metrics_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    metrics_port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    metrics_dir: Path | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "console"
    log_bytes: Annotated[Bytes, Field(ge=100_000, le=10_000_000_000)] = 10_000_000
    log_files: Annotated[int, Field(ge=2, le=100)] = 5

    _file: Path | None = PrivateAttr(None)

    @property
    def file(self) -> Path | None:
        """The file that the settings were read from."""
        return self._file

    def read_from(self, path: Path | None) -> Settings:
        """Note which file this is. Returns itself."""
        self._file = path
        return self

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
    def _check_lanes(self) -> Settings:
        if self.mqtt is not None and any(webhook.name == LANE for webhook in self.webhooks):
            raise ValueError(f"webhooks: {LANE} is the name of what goes to mqtt; choose another")
        return self

    @model_validator(mode="after")
    def _check_policies(self) -> Settings:
        for camera_id in self.cameras:
            wrong = self.unfit(camera_id)
            if wrong is not None:
                raise ValueError(f"cameras.{camera_id}: {wrong}")
        return self

    def unfit(self, camera_id: str) -> str | None:
        """Returns why a camera's settings do not go together; None where they do."""
        policy = self.policy(camera_id)
        if policy.buffer_seconds + policy.post_event_seconds > policy.max_segment_seconds:
            most = f"{policy.max_segment_seconds:g}"
            return f"buffer_seconds + post_event_seconds exceed max_segment_seconds ({most})"
        if policy.copied and not self.source(camera_id).startswith(RTSP):
            return "codec copy needs a source with H.264 or H.265 packets: rtsp:// or rtsps://"
        return unfit(policy)

    def merged(self, camera_id: str) -> dict[str, Any]:
        """Returns a camera's recording settings over the defaults, without unset ones."""
        camera = self.cameras.get(camera_id)
        general = self.defaults.model_dump(exclude_none=True)
        own = (
            {}
            if camera is None
            else camera.model_dump(exclude_none=True, exclude={"source", "detect", "retention"})
        )
        return general | own

    def policy(self, camera_id: str) -> RecordingPolicy:
        """Returns how a camera is recorded; with codec `auto`, while it is not copied."""
        merged = self.merged(camera_id)
        if merged.get("codec") == AUTO:
            merged["codec"] = Codec.H264
        if merged.get("max_pass_seconds") == ALWAYS:
            merged["max_pass_seconds"] = None
        merged.setdefault("capture_fps", merged.get("fps", RecordingPolicy().fps))
        return RecordingPolicy.from_json(merged)

    def may_be_copied(self, camera_id: str) -> bool:
        """Returns whether a camera's connection decides what its clips are made of."""
        return self.is_auto(camera_id) and self.against_copying(camera_id) is None

    def is_auto(self, camera_id: str) -> bool:
        """Returns whether a camera is to be copied where that can be."""
        return self.merged(camera_id).get("codec") == AUTO

    def against_copying(self, camera_id: str) -> str | None:
        """Returns which setting of a camera cannot be had without an encoder; None where none is
        set. An `fps` of the camera's own is one, that of the defaults is not.
        """
        if not self.source(camera_id).startswith(RTSP):
            return "source is not RTSP"
        merged = self.merged(camera_id)
        asked = [f"{name} is set" for name in ENCODER_NEEDED if name in merged]
        if self.cameras[camera_id].fps is not None:
            asked.append("fps is set for this camera")
        return asked[0] if asked else None

    def has_packets(self, camera_id: str) -> bool:
        """Returns whether a camera's own packets may be in its buffer."""
        return self.policy(camera_id).copied or self.may_be_copied(camera_id)

    def copied_policy(self, camera_id: str) -> RecordingPolicy:
        """Returns how a camera is recorded while its packets are copied."""
        return replace(self.policy(camera_id), codec=Codec.COPY)

    def jpeg_fps(self, camera_id: str) -> float:
        """Returns the JPEGs a second that a camera is recorded from, or that are made beside its
        packets.
        """
        policy = self.policy(camera_id)
        return self.fps_beside(camera_id) if policy.copied else policy.capture_fps

    def fps_beside(self, camera_id: str) -> float:
        """Returns the JPEGs a second of a copied camera: for the detector, or for people."""
        return self.detect_fps if self.cameras[camera_id].detect else VIEWED_FPS

    def limits(self, camera_id: str) -> BufferLimits:
        """Returns how far back a camera's buffer reaches."""
        merged, policy = self.merged(camera_id), self.policy(camera_id)
        keep_ms = round((policy.buffer_seconds + policy.trigger_slack_seconds) * 1000)
        cap_ms = round(merged.get("hold_cap_seconds", 60) * 1000)
        return BufferLimits(
            keep_ms, max(cap_ms, keep_ms), merged.get("max_buffer_bytes", 256_000_000)
        )

    def jpeg_quality(self, camera_id: str) -> int:
        """Returns the quality of JPEGs that capture encodes itself."""
        return int(self.merged(camera_id).get("jpeg_quality", 85))

    def source_timeout_s(self, camera_id: str) -> float:
        """Returns after how many seconds without a picture a camera is opened again."""
        return float(self.merged(camera_id).get("source_timeout_seconds", 10.0))

    def retention_policy(self) -> RetentionPolicy:
        """Returns the policy of cleanups."""
        cameras = {
            camera_id: RetentionRule(
                self.retention.days if camera.retention.days is None else camera.retention.days,
                camera.retention.bytes,
            )
            for camera_id, camera in self.cameras.items()
            if camera.retention is not None
        }
        overall = self.retention
        classes = [
            ContentClass(each.name, each.days, tuple(each.plates), each.attribute)
            for each in overall.classes
        ]
        return RetentionPolicy(
            overall=RetentionRule(overall.days, overall.bytes),
            cameras=cameras,
            classes=classes,
            free_bytes=overall.free_bytes,
            min_days=overall.min_days,
            guard_share=overall.guard_share,
            max_days=overall.max_days,
            reads=self._reads_kept(),
            access_log_days=overall.access_log_days,
            pictures_days=self._pictures_days(),
        )

    def _pictures_days(self) -> float | None:
        """As long as any camera's reads, unless they have days of their own."""
        own = self.retention.pictures_days
        if own is not None:
            return capped(own, self.retention.max_days)
        kept = self._reads_kept()
        days = [kept.days, *kept.cameras.values()]
        return None if None in days else max(each for each in days if each is not None)

    def _reads_kept(self) -> ReadsKept:
        """By a camera's own reads_days, else the general one, else as long as the camera's clips;
        never longer than max_days.
        """
        general, most = self.retention.reads_days, self.retention.max_days

        def kept(camera_id: str) -> float | None:
            own = self.cameras[camera_id].retention
            days = general if own is None or own.reads_days is None else own.reads_days
            return self.kept_days(camera_id) if days is None else capped(days, most)

        return ReadsKept(
            capped(self.retention.days if general is None else general, most),
            {camera_id: kept(camera_id) for camera_id in self.cameras},
        )

    def kept_days(self, camera_id: str) -> float | None:
        """Returns how many days a camera's clips are kept; None: for ever."""
        own = self.cameras[camera_id].retention if camera_id in self.cameras else None
        days = self.retention.days if own is None or own.days is None else own.days
        return capped(days, self.retention.max_days)

    def source(self, camera_id: str) -> str:
        """Returns a camera's source with its password: never log it, see `shown`."""
        return self.cameras[camera_id].source.get_secret_value()
