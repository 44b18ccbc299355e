ALTER TABLE video_segments
    ADD COLUMN protected_by text,
    ADD COLUMN protected_at timestamptz,
    ADD COLUMN archived_by text,
    ADD COLUMN archived_reason text;
UPDATE video_segments SET protected_by = 'unknown', protected_at = updated_at WHERE protected;
UPDATE video_segments SET archived_by = 'unknown' WHERE archived;

-- What retention walks along, oldest first, of one camera or of all; a failed segment ages by its window.
DROP INDEX segments_oldest_ready;
CREATE INDEX segments_oldest ON video_segments (coalesce(end_time, deadline), id)
    WHERE status IN ('ready', 'failed') AND NOT protected;
CREATE INDEX segments_oldest_of_camera ON video_segments (camera_id, coalesce(end_time, deadline), id)
    WHERE status IN ('ready', 'failed') AND NOT protected;
CREATE INDEX segments_marked ON video_segments (archived_at, id) WHERE status = 'expiring';
CREATE INDEX segments_expired ON video_segments (expired_at, id) WHERE status = 'expired';
CREATE INDEX segments_continued ON video_segments (continues) WHERE continues IS NOT NULL;

CREATE INDEX detections_old ON detections (created_at);
CREATE INDEX audit_log_by_time ON audit_log (at, id);
CREATE INDEX audit_log_by_segment ON audit_log (segment_id, id) WHERE segment_id IS NOT NULL;

DROP VIEW segments_with_detections;
CREATE VIEW segments_with_detections AS
SELECT s.*,
       (SELECT string_agg(l.detection_id, ',' ORDER BY l.offset_ms, l.detection_id)
          FROM segment_detections l WHERE l.segment_id = s.id) AS detection_ids,
       ARRAY(SELECT p.plate FROM segment_plates p WHERE p.segment_id = s.id ORDER BY p.confidence DESC, p.plate) AS plates
  FROM video_segments s;
