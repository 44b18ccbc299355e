-- A pass: one vehicle going by one camera once, with all detections of it. What changes with every read (last_at, reads,
-- boxes …) is in no index, so that a read of a vehicle that stands still rewrites one row and no index.
CREATE TABLE passes (
    id uuid PRIMARY KEY,
    camera_id text NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL CHECK (last_at >= first_at),
    -- last_at, once nothing more is expected; a late read opens the pass again.
    ended_at timestamptz,
    reads integer NOT NULL CHECK (reads > 0),
    -- The plate with the greatest sum of confidences, and its most confident read: the pictures are of that one.
    plate text,
    confidence double precision NOT NULL,
    best_detection_id text NOT NULL,
    best_at timestamptz NOT NULL,
    -- Boxes of the first and the last read that have one, as [x, y, width, height].
    first_box jsonb,
    last_box jsonb,
    -- Of all reads; where they differ, of the most confident one.
    attributes jsonb NOT NULL DEFAULT '{}',
    -- The most (ms of capture time) that a read came late: the pass stays open that long after the gap.
    late_ms integer NOT NULL DEFAULT 0,
    recorded boolean NOT NULL DEFAULT false,
    hit boolean NOT NULL DEFAULT false,
    -- A vehicle that stays: recorded since, quiet since, and where it stood when it became quiet.
    loud_since timestamptz NOT NULL,
    quiet_since timestamptz,
    parked_box jsonb,
    -- What a person said of it; `pass_reviews` has the history.
    corrected_plate text,
    review text CHECK (review IN ('confirmed', 'corrected', 'rejected')),
    note text,
    -- Whose picture is stored: the detection's id.
    picture_of text,
    -- What the keys of its pictures begin with, and which there are: a detector's own ones stand at the detection.
    picture_path text,
    picture_plate boolean NOT NULL DEFAULT false,
    picture_scene boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX passes_open ON passes (camera_id) WHERE ended_at IS NULL;
CREATE INDEX passes_ended ON passes (camera_id, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX passes_by_time ON passes (first_at, id);
CREATE INDEX passes_by_camera ON passes (camera_id, first_at, id);
CREATE INDEX passes_by_attribute ON passes USING gin (attributes jsonb_path_ops);
CREATE INDEX passes_by_dwell ON passes ((ended_at - first_at)) WHERE ended_at IS NOT NULL;
CREATE INDEX passes_pictured ON passes (first_at, id) WHERE picture_path IS NOT NULL;
CREATE INDEX passes_by_picture ON passes (picture_path) WHERE picture_path IS NOT NULL;
CREATE INDEX passes_hit ON passes (first_at, id) WHERE hit;
CREATE INDEX passes_reviewed ON passes (first_at, id) WHERE review IS NOT NULL;

-- Pictures that are no pass's any more, because it became part of another or has others: the next cleanup deletes them.
CREATE TABLE left_pictures (picture_path text PRIMARY KEY);
CREATE FUNCTION leave_pictures() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO left_pictures (picture_path) SELECT OLD.picture_path
     WHERE NOT EXISTS (SELECT FROM passes WHERE picture_path = OLD.picture_path) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER passes_leave_pictures AFTER DELETE ON passes FOR EACH ROW
    WHEN (OLD.picture_path IS NOT NULL) EXECUTE FUNCTION leave_pictures();
CREATE TRIGGER passes_change_pictures AFTER UPDATE OF picture_path ON passes FOR EACH ROW
    WHEN (OLD.picture_path <> NEW.picture_path) EXECUTE FUNCTION leave_pictures();

-- The plates that a pass was read as. `corrected`: nobody read it, a person wrote it.
CREATE TABLE pass_plates (
    pass_id uuid NOT NULL REFERENCES passes (id) ON DELETE CASCADE,
    plate_key text COLLATE "C" NOT NULL,
    plate text NOT NULL,
    plate_folded text COLLATE "C" NOT NULL GENERATED ALWAYS AS
        (translate(upper(plate), 'OQDILBSZG -._/·•', '000118526')) STORED,
    reads integer NOT NULL,
    confidence double precision NOT NULL,
    confidence_sum double precision NOT NULL,
    -- The most confident read of this plate; NULL where a person wrote it.
    best_detection_id text,
    best_at timestamptz,
    corrected boolean NOT NULL DEFAULT false,
    PRIMARY KEY (pass_id, plate_key)
);
CREATE INDEX pass_plates_by_key ON pass_plates (plate_key, pass_id);
CREATE INDEX pass_plates_like ON pass_plates USING gin (plate_key gin_trgm_ops);
CREATE INDEX pass_plates_near ON pass_plates USING gin (plate_folded gin_trgm_ops);

-- The lists that a pass's plate was on when it was read, each once. They outlive the list. Of a watch list that is a hit;
-- `alerted` is false in its quiet hours, and while it cools down after the last alert of this plate.
CREATE TABLE pass_hits (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    pass_id uuid NOT NULL REFERENCES passes (id) ON DELETE CASCADE,
    list_id uuid NOT NULL,
    list_name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('known', 'watch', 'ignore')),
    entry text NOT NULL,
    plate text NOT NULL,
    plate_key text COLLATE "C" NOT NULL,
    distance double precision NOT NULL,
    detection_id text NOT NULL,
    at timestamptz NOT NULL,
    name text,
    reason text,
    priority integer,
    instructions text,
    alerted boolean NOT NULL,
    acknowledged_at timestamptz,
    acknowledged_by text,
    acknowledged_note text,
    UNIQUE (pass_id, list_id)
);
CREATE INDEX pass_hits_of_a_list ON pass_hits (list_id, at);
CREATE INDEX pass_hits_alerted ON pass_hits (list_id, plate_key, at) WHERE alerted;
CREATE INDEX pass_hits_waiting ON pass_hits (at) WHERE kind = 'watch' AND acknowledged_at IS NULL;

-- A pass that became part of another one: whoever was told its id finds the other.
CREATE TABLE joined_passes (
    was uuid PRIMARY KEY,
    now uuid NOT NULL REFERENCES passes (id) ON DELETE CASCADE
);
CREATE INDEX joined_passes_by_now ON joined_passes (now);

-- What people said of a pass, oldest first. The newest line that stands holds; `stands` is false for one that was undone,
-- and for the line that says so: of passes that became one, nobody could tell otherwise which line that was.
CREATE TABLE pass_reviews (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pass_id uuid NOT NULL REFERENCES passes (id) ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT now(),
    who text NOT NULL,
    review text NOT NULL CHECK (review IN ('confirmed', 'corrected', 'rejected', 'undone')),
    plate text,
    note text,
    stands boolean NOT NULL DEFAULT true
);
CREATE INDEX reviews_of_a_pass ON pass_reviews (pass_id, id);

ALTER TABLE detections ADD COLUMN pass_id uuid REFERENCES passes (id) ON DELETE SET NULL;
-- The detector's own pictures: what their keys begin with, until they are deleted, and of which kinds they are or were.
ALTER TABLE detections ADD COLUMN picture_path text;
ALTER TABLE detections ADD COLUMN picture_kinds text[];
CREATE INDEX detections_pictured ON detections (captured_at, camera_id, detection_id) WHERE picture_path IS NOT NULL;
CREATE INDEX detections_by_picture ON detections (picture_path) WHERE picture_path IS NOT NULL;
ALTER TABLE detections DROP CONSTRAINT detections_outcome_check;
ALTER TABLE detections ADD CONSTRAINT detections_outcome_check CHECK
    (outcome IN ('pending', 'recorded', 'below_threshold', 'buffer_expired', 'rejected', 'quiet', 'ignored'));
CREATE INDEX detections_of_a_pass ON detections (pass_id, captured_at) WHERE pass_id IS NOT NULL;
CREATE INDEX detections_by_time ON detections (captured_at, camera_id, detection_id);
CREATE INDEX detections_by_attribute ON detections USING gin (attributes jsonb_path_ops);
CREATE INDEX detections_by_outcome ON detections (outcome, captured_at, camera_id, detection_id)
    WHERE outcome NOT IN ('recorded', 'quiet');
CREATE INDEX detections_by_camera ON detections (camera_id, captured_at, detection_id);
DROP INDEX detections_never_linked;
CREATE INDEX detections_never_linked ON detections (created_at)
    WHERE outcome IN ('below_threshold', 'rejected', 'quiet', 'ignored', 'not_wanted');

-- A segment's plates are those of its passes: a misread is no plate of its own. `shown`: false for what was read where a
-- person has corrected it; a search finds it by either.
ALTER TABLE segment_plates ADD COLUMN shown boolean NOT NULL DEFAULT true;
CREATE OR REPLACE FUNCTION note_plates() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO segment_plates AS p (segment_id, plate, confidence, shown)
    SELECT l.segment_id, each.plate, max(each.confidence), bool_or(each.shown)
      FROM linked l JOIN detections d USING (detection_id, camera_id) LEFT JOIN passes ON passes.id = d.pass_id
      CROSS JOIN LATERAL (VALUES (coalesce(passes.plate, d.plate), coalesce(passes.confidence, d.confidence),
                                  passes.corrected_plate IS NULL),
                                 (passes.corrected_plate, 1.0, true)) AS each (plate, confidence, shown)
     WHERE each.plate <> '' GROUP BY l.segment_id, each.plate
    ON CONFLICT (segment_id, plate) DO UPDATE
       SET confidence = greatest(p.confidence, excluded.confidence), shown = p.shown OR excluded.shown
     WHERE excluded.confidence > p.confidence OR excluded.shown > p.shown;
    UPDATE video_segments s SET best_confidence = best.confidence
      FROM (SELECT l.segment_id, max(d.confidence) AS confidence
              FROM linked l JOIN detections d USING (detection_id, camera_id) GROUP BY l.segment_id) best
     WHERE s.id = best.segment_id AND (s.best_confidence IS NULL OR s.best_confidence < best.confidence);
    RETURN NULL;
END $$;
-- Makes the plates of segments that show some passes anew.
CREATE FUNCTION name_plates(of_passes uuid[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    concerned uuid[] := ARRAY(SELECT DISTINCT l.segment_id FROM detections d
                              JOIN segment_detections l USING (detection_id, camera_id)
                              WHERE d.pass_id = ANY (of_passes));
BEGIN
    DELETE FROM segment_plates WHERE segment_id = ANY (concerned);
    INSERT INTO segment_plates (segment_id, plate, confidence, shown)
    SELECT l.segment_id, each.plate, max(each.confidence), bool_or(each.shown)
      FROM segment_detections l JOIN detections d USING (detection_id, camera_id)
      LEFT JOIN passes ON passes.id = d.pass_id
      CROSS JOIN LATERAL (VALUES (coalesce(passes.plate, d.plate), coalesce(passes.confidence, d.confidence),
                                  passes.corrected_plate IS NULL),
                                 (passes.corrected_plate, 1.0, true)) AS each (plate, confidence, shown)
     WHERE l.segment_id = ANY (concerned) AND each.plate <> '' GROUP BY l.segment_id, each.plate;
END $$;
-- The best plate of a pass has changed, by a read or by a person.
CREATE FUNCTION note_pass_plate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM name_plates(ARRAY[NEW.id]);
    RETURN NULL;
END $$;
CREATE TRIGGER passes_name_plates AFTER UPDATE OF plate, corrected_plate ON passes FOR EACH ROW
    WHEN ((OLD.plate, OLD.corrected_plate) IS DISTINCT FROM (NEW.plate, NEW.corrected_plate))
    EXECUTE FUNCTION note_pass_plate();
CREATE OR REPLACE VIEW segments_with_detections AS
SELECT s.*,
       (SELECT string_agg(l.detection_id, ',' ORDER BY l.offset_ms, l.detection_id)
          FROM segment_detections l WHERE l.segment_id = s.id) AS detection_ids,
       ARRAY(SELECT p.plate FROM segment_plates p WHERE p.segment_id = s.id AND p.shown
              ORDER BY p.confidence DESC, p.plate) AS plates
  FROM video_segments s;

-- How many detections of each outcome and how many passes a camera had on a day (UTC). As with segments, whatever changes
-- a row also writes what it changes of the counters, and the cleanup folds that into them.
CREATE TABLE read_changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    camera_id text NOT NULL,
    day date NOT NULL,
    kind text NOT NULL,
    number bigint NOT NULL
);
CREATE TABLE read_counters (
    camera_id text NOT NULL,
    day date NOT NULL,
    kind text NOT NULL,
    number bigint NOT NULL,
    PRIMARY KEY (camera_id, day, kind)
);
CREATE INDEX read_counters_by_day ON read_counters (day);
CREATE VIEW read_totals AS
SELECT camera_id, day, kind, number FROM read_counters UNION ALL SELECT camera_id, day, kind, number FROM read_changes;
-- What a recount gives: the counters' meaning, once.
CREATE VIEW read_facts AS
SELECT camera_id, (captured_at AT TIME ZONE 'UTC')::date AS day, outcome AS kind FROM detections
UNION ALL SELECT camera_id, (first_at AT TIME ZONE 'UTC')::date, 'pass' FROM passes;

CREATE FUNCTION note_reads() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO read_changes (camera_id, day, kind, number)
    SELECT camera_id, (captured_at AT TIME ZONE 'UTC')::date, outcome, count(*) FROM will GROUP BY 1, 2, 3;
    RETURN NULL;
END $$;
CREATE FUNCTION note_reread() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO read_changes (camera_id, day, kind, number)
    SELECT camera_id, (captured_at AT TIME ZONE 'UTC')::date, outcome, sum(sign)
      FROM (SELECT camera_id, captured_at, outcome, -1 AS sign FROM was
            UNION ALL SELECT camera_id, captured_at, outcome, 1 FROM will) sides
     GROUP BY 1, 2, 3 HAVING sum(sign) <> 0;
    RETURN NULL;
END $$;
CREATE FUNCTION note_gone_reads() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO read_changes (camera_id, day, kind, number)
    SELECT camera_id, (captured_at AT TIME ZONE 'UTC')::date, outcome, -count(*) FROM was GROUP BY 1, 2, 3;
    RETURN NULL;
END $$;
CREATE TRIGGER detections_are_counted AFTER INSERT ON detections REFERENCING NEW TABLE AS will
    FOR EACH STATEMENT EXECUTE FUNCTION note_reads();
CREATE TRIGGER detections_are_recounted AFTER UPDATE ON detections REFERENCING OLD TABLE AS was NEW TABLE AS will
    FOR EACH STATEMENT EXECUTE FUNCTION note_reread();
CREATE TRIGGER detections_are_uncounted AFTER DELETE ON detections REFERENCING OLD TABLE AS was
    FOR EACH STATEMENT EXECUTE FUNCTION note_gone_reads();

-- A row at a time: most updates of a pass change nothing that is counted.
CREATE FUNCTION note_pass() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO read_changes (camera_id, day, kind, number)
        VALUES (OLD.camera_id, (OLD.first_at AT TIME ZONE 'UTC')::date, 'pass', -1);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO read_changes (camera_id, day, kind, number)
        VALUES (NEW.camera_id, (NEW.first_at AT TIME ZONE 'UTC')::date, 'pass', 1);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER passes_are_counted AFTER INSERT OR DELETE ON passes FOR EACH ROW EXECUTE FUNCTION note_pass();
CREATE TRIGGER passes_are_recounted AFTER UPDATE OF first_at ON passes FOR EACH ROW
    WHEN ((OLD.first_at AT TIME ZONE 'UTC')::date <> (NEW.first_at AT TIME ZONE 'UTC')::date)
    EXECUTE FUNCTION note_pass();

-- What is there already.
INSERT INTO read_counters (camera_id, day, kind, number)
SELECT camera_id, day, kind, count(*) FROM read_facts GROUP BY 1, 2, 3;
