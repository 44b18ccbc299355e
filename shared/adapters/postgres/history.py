"""Deletes what retention has no more use for: rows of reads, and of the access log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import LiteralString

from shared.adapters.postgres.database import Connection
from shared.domain.retention import ReadsKept

# Every camera of a table (by its index), with the days that its reads are kept; NULL: for ever.
_AGED: LiteralString = """
    cameras AS (
        (SELECT camera_id FROM {table} ORDER BY camera_id LIMIT 1)
        UNION ALL
        SELECT (SELECT t.camera_id FROM {table} t WHERE t.camera_id > c.camera_id ORDER BY t.camera_id LIMIT 1)
          FROM cameras c WHERE c.camera_id IS NOT NULL),
    aged AS (
        SELECT c.camera_id, CASE WHEN own.camera_id IS NULL THEN %(days)s::float8 ELSE own.days END AS days
          FROM cameras c LEFT JOIN unnest(%(cameras)s::text[], %(own)s::float8[]) AS own (camera_id, days)
               ON own.camera_id = c.camera_id)
"""
_SEGMENTS: LiteralString = f"""
    WITH RECURSIVE {_AGED.format(table="video_segments")},
    old AS (
        SELECT s.id FROM aged CROSS JOIN LATERAL (
            SELECT id FROM video_segments s
             WHERE s.camera_id = aged.camera_id AND s.status = 'expired'
               AND s.deadline < now() - make_interval(secs => aged.days * 86400)
               AND s.expired_at < now() - interval '1 day'
               AND NOT EXISTS (SELECT FROM segment_parts p WHERE p.segment_id = s.id)
             ORDER BY s.deadline LIMIT %(limit)s FOR UPDATE SKIP LOCKED) s
         LIMIT %(limit)s),
    shown AS (
        SELECT DISTINCT detection_id, camera_id FROM segment_detections WHERE segment_id IN (SELECT id FROM old)),
    gone AS (DELETE FROM video_segments WHERE id IN (SELECT id FROM old) RETURNING id)
    SELECT (SELECT count(*) FROM gone) AS purged,
           ARRAY(SELECT detection_id FROM shown) AS ids, ARRAY(SELECT camera_id FROM shown) AS cameras
"""
# A hit is kept for its list's days where these are more.
_KEPT_FOR_A_LIST: LiteralString = """
    EXISTS (SELECT FROM pass_hits h JOIN plate_lists l ON l.id = h.list_id
             WHERE h.pass_id = {} AND h.at >= now() - make_interval(secs => l.hit_days * 86400))
"""
_PASSES: LiteralString = f"""
    WITH RECURSIVE {_AGED.format(table="passes")},
    old AS (
        SELECT p.id FROM aged CROSS JOIN LATERAL (
            SELECT id FROM passes p
             WHERE p.camera_id = aged.camera_id AND p.ended_at < now() - make_interval(secs => aged.days * 86400)
               AND p.picture_path IS NULL AND NOT EXISTS (SELECT FROM detections d WHERE d.pass_id = p.id)
               AND NOT {_KEPT_FOR_A_LIST.format("p.id")}
             ORDER BY p.ended_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) p
         LIMIT %(limit)s)
    DELETE FROM passes WHERE id IN (SELECT id FROM old)
"""
_DETECTIONS: LiteralString = f"""
    DELETE FROM detections d USING unnest(%s::text[], %s::text[]) AS shown (id, camera)
     WHERE d.detection_id = shown.id AND d.camera_id = shown.camera AND d.outcome <> 'pending'
       AND NOT EXISTS (SELECT FROM segment_detections l
                        WHERE l.detection_id = d.detection_id AND l.camera_id = d.camera_id)
       AND NOT {_KEPT_FOR_A_LIST.format("d.pass_id")}
"""
_UNRECORDED: LiteralString = f"""
    WITH RECURSIVE {_AGED.format(table="detections")},
    old AS (
        SELECT d.* FROM aged CROSS JOIN LATERAL (
            SELECT detection_id, camera_id FROM detections d
             WHERE d.camera_id = aged.camera_id AND d.outcome NOT IN ('pending', 'recorded')
               AND d.created_at < now() - make_interval(secs => aged.days * 86400)
               AND NOT EXISTS (SELECT FROM segment_detections l
                                WHERE l.detection_id = d.detection_id AND l.camera_id = d.camera_id)
               AND NOT {_KEPT_FOR_A_LIST.format("d.pass_id")}
             ORDER BY d.created_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) d
         LIMIT %(limit)s)
    SELECT ARRAY(SELECT detection_id FROM old) AS ids, ARRAY(SELECT camera_id FROM old) AS cameras
"""
_LOG: LiteralString = """
    DELETE FROM access_log WHERE id IN (
        SELECT id FROM access_log WHERE at < now() - make_interval(secs => %s) ORDER BY at, id LIMIT %s
           FOR UPDATE SKIP LOCKED)
"""


def purge_reads(connection: Connection, kept: ReadsKept, limit: int) -> int:
    """Delete rows of clips that are gone, with the detections that no other segment shows, and
    detections that made no recording. What a clip that is there shows, stays.
    """
    # of two at once, each would leave a detection to the segment that the other one deletes
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('purge', 0))")
    own: Mapping[str, float | None] = kept.cameras
    given = {
        "days": kept.days, "cameras": list(own), "own": list(own.values()), "limit": limit
    }  # fmt: skip
    segments = connection.execute(_SEGMENTS, given).fetchone()
    unrecorded = connection.execute(_UNRECORDED, given).fetchone()
    if segments is None or unrecorded is None:
        return 0
    detections = [segments[name] + unrecorded[name] for name in ("ids", "cameras")]
    return int(segments["purged"]) + connection.execute(_DETECTIONS, detections).rowcount


def purge_passes(connection: Connection, kept: ReadsKept, limit: int) -> int:
    """Delete passes that have ended so long ago, whose reads are all gone, and whose pictures
    are.
    """
    own: Mapping[str, float | None] = kept.cameras
    given = {"days": kept.days, "cameras": list(own), "own": list(own.values()), "limit": limit}
    return connection.execute(_PASSES, given).rowcount


def purge_access_log(connection: Connection, older_than_s: float, limit: int) -> int:
    """Delete the oldest lines of the access log."""
    return connection.execute(_LOG, [older_than_s, limit]).rowcount
