-- Statistics. Whatever changes a segment also writes here, in the same statement, what it changes of the counters; the
-- cleanup folds that into them. So nobody ever waits for another's counter, and counters plus changes are always exact.
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
