-- A detection's id is its camera's own: detectors of two cameras may count alike, and one cannot take another's ids.
ALTER TABLE segment_detections ADD COLUMN camera_id text;
UPDATE segment_detections l SET camera_id = d.camera_id FROM detections d WHERE d.detection_id = l.detection_id;
ALTER TABLE segment_detections ALTER COLUMN camera_id SET NOT NULL;
ALTER TABLE segment_detections DROP CONSTRAINT segment_detections_detection_id_fkey;
ALTER TABLE detections DROP CONSTRAINT detections_pkey, ADD PRIMARY KEY (detection_id, camera_id);
ALTER TABLE segment_detections ADD FOREIGN KEY (detection_id, camera_id)
    REFERENCES detections (detection_id, camera_id) ON DELETE CASCADE;
DROP INDEX segments_of_a_detection;
CREATE INDEX segments_of_a_detection ON segment_detections (detection_id, camera_id);

CREATE OR REPLACE FUNCTION note_plates() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO segment_plates AS p (segment_id, plate, confidence)
    SELECT l.segment_id, d.plate, max(d.confidence) FROM linked l JOIN detections d USING (detection_id, camera_id)
     WHERE d.plate <> '' GROUP BY l.segment_id, d.plate
    ON CONFLICT (segment_id, plate) DO UPDATE SET confidence = excluded.confidence
     WHERE excluded.confidence > p.confidence;
    UPDATE video_segments s SET best_confidence = best.confidence
      FROM (SELECT l.segment_id, max(d.confidence) AS confidence
              FROM linked l JOIN detections d USING (detection_id, camera_id) GROUP BY l.segment_id) best
     WHERE s.id = best.segment_id AND (s.best_confidence IS NULL OR s.best_confidence < best.confidence);
    RETURN NULL;
END $$;
