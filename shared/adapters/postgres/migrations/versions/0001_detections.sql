CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS fuzzystrmatch;

-- An id is its camera's own: detectors of two cameras may count alike, and one cannot take another's ids.
CREATE TABLE detections (
    detection_id text NOT NULL,
    camera_id text NOT NULL,
    captured_at timestamptz NOT NULL,
    confidence double precision NOT NULL,
    plate text,
    bbox jsonb,
    attributes jsonb NOT NULL DEFAULT '{}',
    outcome text NOT NULL DEFAULT 'pending'
        CHECK (outcome IN ('pending', 'recorded', 'below_threshold', 'buffer_expired', 'rejected')),
    reason text,
    -- The footage it asked for, by the camera's policy at that time.
    wanted tstzrange,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (detection_id, camera_id)
);
CREATE INDEX detections_pending ON detections (created_at) WHERE outcome = 'pending';
CREATE INDEX detections_wanted ON detections USING gist (camera_id, wanted) WHERE outcome = 'recorded';
-- What purging walks along: detections that were never linked. Those that were go with their segment.
CREATE INDEX detections_old ON detections (created_at);
CREATE INDEX detections_never_linked ON detections (created_at) WHERE outcome IN ('below_threshold', 'rejected');

CREATE TABLE segment_detections (
    segment_id uuid NOT NULL REFERENCES video_segments (id) ON DELETE CASCADE,
    detection_id text NOT NULL,
    camera_id text NOT NULL,
    -- From the segment's first frame (from its start until that is known); may be negative.
    offset_ms integer NOT NULL,
    PRIMARY KEY (segment_id, detection_id),
    FOREIGN KEY (detection_id, camera_id) REFERENCES detections (detection_id, camera_id) ON DELETE CASCADE
);
CREATE INDEX segments_of_a_detection ON segment_detections (detection_id, camera_id);

-- The plates of a segment, each once, with the best confidence it was read with. plate_key is what people type: upper
-- case, no separators. plate_folded makes one of the characters that readers take for each other.
CREATE TABLE segment_plates (
    segment_id uuid NOT NULL REFERENCES video_segments (id) ON DELETE CASCADE,
    plate text NOT NULL,
    confidence double precision NOT NULL,
    plate_key text COLLATE "C" NOT NULL GENERATED ALWAYS AS (translate(upper(plate), ' -._/·•', '')) STORED,
    plate_folded text COLLATE "C" NOT NULL GENERATED ALWAYS AS
        (translate(upper(plate), 'OQDILBSZG -._/·•', '000118526')) STORED,
    PRIMARY KEY (segment_id, plate)
);
CREATE INDEX plates_by_key ON segment_plates (plate_key, segment_id);
CREATE INDEX plates_like ON segment_plates USING gin (plate_key gin_trgm_ops);
CREATE INDEX plates_near ON segment_plates USING gin (plate_folded gin_trgm_ops);

CREATE FUNCTION note_plates() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER links_name_plates AFTER INSERT ON segment_detections REFERENCING NEW TABLE AS linked
    FOR EACH STATEMENT EXECUTE FUNCTION note_plates();

-- One row a segment, its detections comma-separated, its plates in order of confidence.
CREATE VIEW segments_with_detections AS
SELECT s.*,
       (SELECT string_agg(l.detection_id, ',' ORDER BY l.offset_ms, l.detection_id)
          FROM segment_detections l WHERE l.segment_id = s.id) AS detection_ids,
       ARRAY(SELECT p.plate FROM segment_plates p WHERE p.segment_id = s.id ORDER BY p.confidence DESC, p.plate) AS plates
  FROM video_segments s;
