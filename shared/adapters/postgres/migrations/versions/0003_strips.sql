-- The strip of a clip: small pictures of what it shows. strip_path is where it is stored, from the segment's beginning;
-- strip says what stands on it, once there is one.
ALTER TABLE video_segments ADD COLUMN strip_path text, ADD COLUMN strip jsonb;
CREATE INDEX segments_by_strip ON video_segments (strip_path COLLATE "C") WHERE status <> 'expired';

DROP VIEW segments_with_detections;
CREATE VIEW segments_with_detections AS
SELECT s.*,
       (SELECT string_agg(l.detection_id, ',' ORDER BY l.offset_ms, l.detection_id)
          FROM segment_detections l WHERE l.segment_id = s.id) AS detection_ids,
       ARRAY(SELECT p.plate FROM segment_plates p WHERE p.segment_id = s.id AND p.shown
              ORDER BY p.confidence DESC, p.plate) AS plates
  FROM video_segments s;
