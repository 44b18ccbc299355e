"""The sections of the configuration: cameras, retention, webhooks, the API."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from shared.domain.codec import Codec
from shared.domain.events import EventName
from shared.domain.names import CAMERA_ID, PLAIN_NAME
from shared.domain.policy import Reads, Record
from shared.domain.purpose import PurposeRule
from shared.domain.retention import MAX_DAYS
from shared.runtime.quantities import Bytes, Days, Seconds
from shared.wire.mqtt import mqtt_address
from shared.wire.urls import unusable_source
from shared.wire.webhooks import key_of

# Literal, not the enumeration: only listeners of the API get each change of a camera.
WebhookEvent = Literal[
    EventName.SEGMENT_RECORDING,
    EventName.SEGMENT_FINALIZING,
    EventName.SEGMENT_READY,
    EventName.SEGMENT_FAILED,
    EventName.SEGMENT_DELETED,
    EventName.RETENTION_STOPPED,
    EventName.PLATE_READ,
    EventName.PLATE_HIT,
    EventName.PASS_CLOSED,
    EventName.CAMERA_DOWN,
    EventName.CAMERA_UP,
]
TOPIC = r"^[A-Za-z0-9_.-]{1,40}(/[A-Za-z0-9_.-]{1,40}){0,4}$"
_SCALE = re.compile(r"[1-9][0-9]{1,3}x[1-9][0-9]{1,3}|0?\.[0-9]+|1(\.0+)?")
_SOURCE = re.compile(r"(synthetic:|file:|https?://|rtsps?://|/dev/video|push:)")
_REMOTE = re.compile(r"(https?|rtsps?)://")


def _check_camera_id(name: str) -> str:
    if not CAMERA_ID.fullmatch(name):
        raise ValueError(
            f"{name!r}: use 1-64 of letters, digits, dot, underscore and dash, and not . or .."
        )
    return name


CameraName = Annotated[str, AfterValidator(_check_camera_id)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class RecordingSettings(_Model):
    """How a camera is recorded.

    An unset value means the more general one, in the end the default in RecordingPolicy.
    """

    buffer_seconds: Annotated[Seconds, Field(ge=0, le=60)] | None = None
    post_event_seconds: Annotated[Seconds, Field(gt=0, le=600)] | None = None
    fps: Annotated[float, Field(gt=0, le=120)] | None = None
    capture_fps: Annotated[float, Field(gt=0, le=120)] | None = None
    min_confidence: Annotated[float, Field(ge=0, lt=1)] | None = None
    max_segment_seconds: Annotated[Seconds, Field(ge=2, le=3600)] | None = None
    pass_gap_seconds: Annotated[Seconds, Field(ge=1, le=600)] | None = None
    max_pass_seconds: Annotated[Seconds, Field(ge=1, le=86_400)] | Literal["none"] | None = None
    record: Record | None = None
    reads: Reads | None = None
    part_seconds: Annotated[Seconds, Field(ge=1, le=15)] | None = None
    trigger_slack_seconds: Annotated[Seconds, Field(ge=0, le=60)] | None = None
    codec: Codec | Literal["auto"] | None = None
    encoder: Literal["auto", "software", "nvenc", "qsv", "amf", "v4l2m2m"] | None = None
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium"] | None = None
    quality: Annotated[int, Field(ge=1, le=63)] | None = None
    bitrate: Annotated[Bytes, Field(ge=10_000, le=200_000_000)] | None = None
    keyframe_seconds: Annotated[Seconds, Field(ge=0, le=15)] | None = None
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
    """How long and how much is kept. Unset means no limit of that kind (overall: 30 days).

    reads_days: of reads that no clip shows; unset: as long as clips.
    """

    days: Annotated[Days, Field(ge=0, le=MAX_DAYS)] | None = None
    reads_days: Annotated[Days, Field(ge=0, le=MAX_DAYS)] | None = None
    bytes: Annotated[Bytes, Field(ge=0)] | None = None


class ContentClassSettings(_Model):
    """Clips that are kept longer for what they show: one of these plates (* and ?), or an attribute
    that is set.
    """

    name: Annotated[str, Field(pattern=f"^{PLAIN_NAME.pattern}$")]
    days: Annotated[Days, Field(ge=0, le=MAX_DAYS)] | None = None
    plates: list[Annotated[str, Field(min_length=1, max_length=32)]] = Field(
        default_factory=list, max_length=10_000
    )
    attribute: Annotated[str, Field(min_length=1, max_length=64)] | None = None

    @model_validator(mode="after")
    def _check(self) -> ContentClassSettings:
        if not self.plates and self.attribute is None:
            raise ValueError("names neither plates nor an attribute: nothing would belong to it")
        return self


class StoreRetentionSettings(RetentionSettings):
    """Retention over all cameras.

    Under pressure the oldest clips are deleted first, clips of a class last.
    """

    free_bytes: Annotated[Bytes, Field(ge=0)] | None = None
    min_days: Annotated[Days, Field(ge=0, le=MAX_DAYS)] = 0.0
    max_days: Annotated[Days, Field(gt=0, le=MAX_DAYS)] | None = None
    pictures_days: Annotated[Days, Field(ge=0, le=MAX_DAYS)] | None = None
    access_log_days: Annotated[Days, Field(ge=1, le=MAX_DAYS)] = 730.0
    guard_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    classes: list[ContentClassSettings] = Field(default_factory=list, max_length=100)

    @model_validator(mode="before")
    @classmethod
    def _name_what_came_instead(cls, given: object) -> object:
        if isinstance(given, dict) and "history_days" in given:
            raise ValueError(
                "history_days is now two: reads_days (rows of deleted clips, and detections without a clip) and "
                "access_log_days"
            )
        return given


class CameraSettings(RecordingSettings):
    """One camera; `{PLATEREEL_…}` in its source is filled from the environment or a secret file."""

    source: SecretStr
    detect: bool = True
    retention: RetentionSettings | None = None

    @field_validator("source")
    @classmethod
    def _check_source(cls, value: SecretStr) -> SecretStr:
        if not _SOURCE.match(value.get_secret_value()):
            raise ValueError(
                "begins with none of synthetic:, file:, http://, https://, rtsp://, /dev/video, push:"
            )
        wrong = (
            unusable_source(value.get_secret_value())
            if _REMOTE.match(value.get_secret_value())
            else None
        )
        if wrong is not None:
            raise ValueError(wrong)
        return value


class WebhookSettings(_Model):
    """Where events are posted, signed with `secret`.

    `private` allows an address of the own network.
    """

    name: Annotated[str, Field(pattern=f"^{PLAIN_NAME.pattern}$")]
    url: SecretStr
    secret: Annotated[SecretStr, Field(min_length=16, max_length=200)]
    events: Annotated[list[WebhookEvent], Field(min_length=1)] = [
        EventName.SEGMENT_READY,
        EventName.SEGMENT_FAILED,
        EventName.SEGMENT_DELETED,
        EventName.RETENTION_STOPPED,
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


class MqttSettings(_Model):
    """The MQTT broker to which events and cameras' states are published.

    discovery: where Home Assistant looks for what there is; None: nowhere. frigate: the prefix of
    Frigate's topics, from which plates are taken; None: none are.
    """

    url: SecretStr
    prefix: Annotated[str, Field(pattern=TOPIC)] = "platereel"
    discovery: Annotated[str, Field(pattern=TOPIC)] | None = "homeassistant"
    events: list[WebhookEvent] = [
        EventName.PLATE_READ,
        EventName.PASS_CLOSED,
        EventName.SEGMENT_READY,
        EventName.SEGMENT_FAILED,
        EventName.CAMERA_DOWN,
        EventName.CAMERA_UP,
    ]
    frigate: Annotated[str, Field(pattern=TOPIC)] | None = None

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: SecretStr) -> SecretStr:
        mqtt_address(value.get_secret_value())
        return value


class BackupSettings(_Model):
    """How many days of backups are kept (0: none are made), and the hour (UTC) of the night."""

    keep: Annotated[int, Field(ge=0, le=3650)] = 7
    hour: Annotated[int, Field(ge=0, le=23)] = 2


class AccessSettings(_Model):
    """Whether people must say why they look."""

    purpose: PurposeRule = PurposeRule.OFF


class JwtSettings(_Model):
    """Access tokens of an identity provider. Claims may be paths such as realm_access.roles.

    With cameras_claim, a token without that claim is for no camera. Otherwise `cameras` limits a
    token that has it.
    """

    jwks_url: Annotated[str, Field(pattern=r"^https?://\S+$")]
    issuer: Annotated[str, Field(min_length=1)]
    audience: Annotated[str, Field(min_length=1)]
    name_claim: str = "sub"
    role_claim: str = "role"
    cameras_claim: str | None = None


class ApiSettings(_Model):
    """Where the API listens, and which proxies it trusts."""

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
            raise ValueError(
                "proxy_user_header: whoever can reach the API could send it; name trusted_proxies"
            )
        return self
