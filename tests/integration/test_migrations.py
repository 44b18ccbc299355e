"""A database of an earlier version, with rows in it, is brought to this one."""

from __future__ import annotations

import pytest
from alembic import command
from psycopg.errors import UniqueViolation
from psycopg.rows import dict_row
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from shared.adapters.postgres import schema
from shared.adapters.postgres.version import SCHEMA_VERSION
from tests.support.servers import Servers, as_admin

ROWS = """
INSERT INTO video_segments (id, camera_id, status, file_path, start_time, deadline, trigger_time, covered_to, policy,
                            codec, fps)
VALUES ('00000000-0000-0000-0000-000000000001', 'gate-1', 'recording', 'x.mp4', now(), now() + interval '1 min', now(),
        now(), '{}', 'h264', 15);
INSERT INTO detections (detection_id, camera_id, captured_at, confidence) VALUES ('d1', 'gate-1', now(), 0.9);
INSERT INTO segment_detections VALUES ('00000000-0000-0000-0000-000000000001', 'd1', 7);
"""
OTHER = "INSERT INTO detections (detection_id, camera_id, captured_at, confidence) VALUES ('d1', 'gate-2', now(), 0.9)"


def test_links_of_before_know_their_camera(servers: Servers) -> None:
    url = servers.new_database("template0")
    try:
        engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool)
        with engine.connect() as connection:
            config = schema._config()
            config.attributes["connection"] = connection
            command.upgrade(config, "0012")
            connection.commit()
        with as_admin(url) as admin:
            admin.execute(ROWS)
        assert schema.migrate(url) == ("0012", SCHEMA_VERSION)
        with as_admin(url) as admin:
            cursor = admin.cursor(row_factory=dict_row)
            links = cursor.execute("SELECT camera_id, detection_id, offset_ms FROM segment_detections").fetchall()
            assert links == [{"camera_id": "gate-1", "detection_id": "d1", "offset_ms": 7}]
            admin.execute(OTHER)
            with pytest.raises(UniqueViolation, match="detections_pkey"):
                admin.execute(OTHER)
    finally:
        servers.drop_database(url)
