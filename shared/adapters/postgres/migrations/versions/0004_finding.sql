CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS fuzzystrmatch;

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
ALTER TABLE video_segments ADD COLUMN best_confidence double precision;

CREATE FUNCTION note_plates() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO segment_plates AS p (segment_id, plate, confidence)
    SELECT l.segment_id, d.plate, max(d.confidence) FROM linked l JOIN detections d USING (detection_id)
     WHERE d.plate <> '' GROUP BY l.segment_id, d.plate
    ON CONFLICT (segment_id, plate) DO UPDATE SET confidence = excluded.confidence
     WHERE excluded.confidence > p.confidence;
    UPDATE video_segments s SET best_confidence = best.confidence
      FROM (SELECT l.segment_id, max(d.confidence) AS confidence
              FROM linked l JOIN detections d USING (detection_id) GROUP BY l.segment_id) best
     WHERE s.id = best.segment_id AND (s.best_confidence IS NULL OR s.best_confidence < best.confidence);
    RETURN NULL;
END $$;
CREATE TRIGGER links_name_plates AFTER INSERT ON segment_detections REFERENCING NEW TABLE AS linked
    FOR EACH STATEMENT EXECUTE FUNCTION note_plates();

INSERT INTO segment_plates (segment_id, plate, confidence)
SELECT l.segment_id, d.plate, max(d.confidence) FROM segment_detections l JOIN detections d USING (detection_id)
 WHERE d.plate <> '' GROUP BY l.segment_id, d.plate;
UPDATE video_segments s SET best_confidence = best.confidence
  FROM (SELECT l.segment_id, max(d.confidence) AS confidence
          FROM segment_detections l JOIN detections d USING (detection_id) GROUP BY l.segment_id) best
 WHERE s.id = best.segment_id;

CREATE INDEX plates_by_key ON segment_plates (plate_key, segment_id);
CREATE INDEX plates_like ON segment_plates USING gin (plate_key gin_trgm_ops);
CREATE INDEX plates_near ON segment_plates USING gin (plate_folded gin_trgm_ops);

-- A window is at most an hour (max_segment_seconds) and a part: so those that meet a time begin shortly before its end.
ALTER TABLE video_segments ADD CONSTRAINT windows_are_short CHECK (deadline <= start_time + interval '2 hours');
DROP INDEX segments_by_time;
DROP INDEX segments_by_camera;
CREATE INDEX segments_by_time ON video_segments (start_time, id) INCLUDE (deadline, camera_id, status);
CREATE INDEX segments_by_camera ON video_segments (camera_id, start_time, id) INCLUDE (deadline, status);
CREATE INDEX segments_by_status ON video_segments (status, start_time, id);
CREATE INDEX segments_by_confidence ON video_segments (best_confidence);
CREATE INDEX segments_protected ON video_segments (start_time, id) WHERE protected;

-- Statistics. Whatever changes a segment also writes here, in the same statement, what it changes of the counters; the
-- sweep folds that into them. So nobody ever waits for another's counter, and counters plus changes are always exact.
DROP TABLE segment_counters;
CREATE TABLE segment_changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    camera_id text NOT NULL,
    day date NOT NULL,
    status text NOT NULL,
    segments bigint NOT NULL,
    protected bigint NOT NULL,
    bytes bigint NOT NULL,
    protected_bytes bigint NOT NULL,
    duration_ms bigint NOT NULL
);
CREATE TABLE day_counters (
    camera_id text NOT NULL,
    day date NOT NULL,
    status text NOT NULL,
    segments bigint NOT NULL,
    protected bigint NOT NULL,
    bytes bigint NOT NULL,
    protected_bytes bigint NOT NULL,
    duration_ms bigint NOT NULL,
    PRIMARY KEY (camera_id, day, status)
);
CREATE INDEX day_counters_by_day ON day_counters (day);
CREATE TABLE camera_counters (
    camera_id text NOT NULL,
    status text NOT NULL,
    segments bigint NOT NULL,
    protected bigint NOT NULL,
    bytes bigint NOT NULL,
    protected_bytes bigint NOT NULL,
    duration_ms bigint NOT NULL,
    PRIMARY KEY (camera_id, status)
);
CREATE VIEW day_totals AS
SELECT camera_id, day, status, segments, protected, bytes, protected_bytes, duration_ms FROM day_counters
UNION ALL
SELECT camera_id, day, status, segments, protected, bytes, protected_bytes, duration_ms FROM segment_changes;
CREATE VIEW camera_totals AS
SELECT camera_id, status, segments, protected, bytes, protected_bytes, duration_ms FROM camera_counters
UNION ALL
SELECT camera_id, status, segments, protected, bytes, protected_bytes, duration_ms FROM segment_changes;

-- What a recount gives: the counters' meaning, once.
CREATE VIEW segment_facts AS
SELECT id, camera_id, (start_time AT TIME ZONE 'UTC')::date AS day, status, 1 AS segments, protected::int AS protected,
       coalesce(file_size_bytes, 0) AS bytes, CASE WHEN protected THEN coalesce(file_size_bytes, 0) ELSE 0 END AS protected_bytes,
       coalesce(round(duration_seconds * 1000), 0)::bigint AS duration_ms
  FROM video_segments;

CREATE FUNCTION note_segment_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO segment_changes (camera_id, day, status, segments, protected, bytes, protected_bytes, duration_ms)
    SELECT camera_id, day, status, sum(sign), sum(sign * protected::int), sum(sign * size),
           sum(CASE WHEN protected THEN sign * size ELSE 0 END), sum(sign * duration)
      FROM (SELECT n.camera_id, (n.start_time AT TIME ZONE 'UTC')::date AS day, side.status, side.sign, side.protected,
                   coalesce(side.size, 0) AS size, coalesce(round(side.seconds * 1000), 0)::bigint AS duration
              FROM was o JOIN will n USING (id)
              CROSS JOIN LATERAL (VALUES
                  (-1, o.status, o.protected, o.file_size_bytes, o.duration_seconds),
                  (1, n.status, n.protected, n.file_size_bytes, n.duration_seconds)
              ) side (sign, status, protected, size, seconds)
             WHERE (o.status, o.protected, o.file_size_bytes, o.duration_seconds)
                   IS DISTINCT FROM (n.status, n.protected, n.file_size_bytes, n.duration_seconds)) changes
     GROUP BY camera_id, day, status;
    RETURN NULL;
END $$;
CREATE FUNCTION note_new_segments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO segment_changes (camera_id, day, status, segments, protected, bytes, protected_bytes, duration_ms)
    SELECT camera_id, (start_time AT TIME ZONE 'UTC')::date, status, count(*), count(*) FILTER (WHERE protected),
           coalesce(sum(file_size_bytes), 0), coalesce(sum(file_size_bytes) FILTER (WHERE protected), 0),
           coalesce(sum(round(duration_seconds * 1000)), 0)::bigint
      FROM will GROUP BY 1, 2, 3;
    RETURN NULL;
END $$;
CREATE FUNCTION note_gone_segments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO segment_changes (camera_id, day, status, segments, protected, bytes, protected_bytes, duration_ms)
    SELECT camera_id, (start_time AT TIME ZONE 'UTC')::date, status, -count(*), -count(*) FILTER (WHERE protected),
           -coalesce(sum(file_size_bytes), 0), -coalesce(sum(file_size_bytes) FILTER (WHERE protected), 0),
           -coalesce(sum(round(duration_seconds * 1000)), 0)::bigint
      FROM was GROUP BY 1, 2, 3;
    RETURN NULL;
END $$;
CREATE TRIGGER segments_are_counted AFTER INSERT ON video_segments REFERENCING NEW TABLE AS will
    FOR EACH STATEMENT EXECUTE FUNCTION note_new_segments();
CREATE TRIGGER segments_are_recounted AFTER UPDATE ON video_segments
    REFERENCING OLD TABLE AS was NEW TABLE AS will FOR EACH STATEMENT EXECUTE FUNCTION note_segment_changes();
CREATE TRIGGER segments_are_uncounted AFTER DELETE ON video_segments REFERENCING OLD TABLE AS was
    FOR EACH STATEMENT EXECUTE FUNCTION note_gone_segments();

INSERT INTO segment_changes (camera_id, day, status, segments, protected, bytes, protected_bytes, duration_ms)
SELECT camera_id, day, status, sum(segments), sum(protected), sum(bytes), sum(protected_bytes), sum(duration_ms)
  FROM segment_facts GROUP BY camera_id, day, status;
