CREATE EXTENSION IF NOT EXISTS btree_gist;

-- One row: the id that the bucket's sentinel must repeat before anything is deleted there.
CREATE TABLE deployment (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now(),
    -- 32 random bytes, made when first needed; PLATEREEL_SIGNING_KEY takes their place.
    signing_seed bytea,
    -- When a pacer last looked: while one does, no recording is abandoned.
    paced_at timestamptz
);
INSERT INTO deployment DEFAULT VALUES;

CREATE TABLE video_segments (
    id uuid PRIMARY KEY,
    camera_id text NOT NULL,
    status text NOT NULL
        CHECK (status IN ('recording', 'finalizing', 'ready', 'failed', 'expiring', 'expired')),
    file_path text NOT NULL,
    thumbnail_path text,
    -- The window is [start_time, deadline); start_time never moves, the object's key is made of it.
    start_time timestamptz NOT NULL,
    deadline timestamptz NOT NULL,
    end_time timestamptz,
    trigger_time timestamptz NOT NULL,
    first_frame_at timestamptz,
    continues uuid REFERENCES video_segments (id) ON DELETE SET NULL,
    -- Parts are planned up to here.
    covered_to timestamptz NOT NULL,
    -- How late, in ms of capture time, its detections came: it stays open that long after its deadline.
    late_ms integer NOT NULL DEFAULT 0,
    -- A segment that was born closed can grow until then, and is not joined before.
    grows_until timestamptz,
    -- Why the window was closed before its deadline, where it was (`camera_silent`).
    closed_early text,
    duration_seconds double precision,
    file_size_bytes bigint,
    width integer,
    height integer,
    -- Width to height of a pixel, as 2:1; NULL: square. Fixed by the first part, as width and height are.
    pixel_aspect text,
    resolution text GENERATED ALWAYS AS (width::text || 'x' || height::text) STORED,
    archived boolean GENERATED ALWAYS AS (status IN ('expiring', 'expired')) STORED,
    archived_by text,
    archived_reason text,
    archived_at timestamptz,
    expired_at timestamptz,
    protected boolean NOT NULL DEFAULT false,
    protected_by text,
    protected_at timestamptz,
    note text,
    policy jsonb NOT NULL,
    codec text NOT NULL,
    -- The encoder that the first part was made with; the other parts use the same where they can.
    encoder text,
    fps real NOT NULL,
    gaps jsonb NOT NULL DEFAULT '[]',
    -- [[from, to], …] of the parts with pictures, in ms after start_time.
    fragments jsonb,
    frame_count integer,
    frames_lost integer,
    pre_roll_requested_seconds double precision,
    pre_roll_delivered_seconds double precision,
    sha256 text,
    truncated_reason text,
    error text,
    best_confidence double precision,
    attempts integer NOT NULL DEFAULT 0,
    retries integer NOT NULL DEFAULT 0,
    -- How often a check sent it through finalising again, because it had failed or its object was lost.
    repairs integer NOT NULL DEFAULT 0,
    offer integer NOT NULL DEFAULT 0,
    offered_at timestamptz,
    lease_token text,
    lease_until timestamptz,
    not_before timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (deadline > start_time),
    -- At most an hour (max_segment_seconds) and a part: segments that meet a time begin shortly before its end.
    CONSTRAINT windows_are_short CHECK (deadline <= start_time + interval '2 hours'),
    CHECK (status <> 'ready' OR (sha256 IS NOT NULL AND file_size_bytes > 0 AND frame_count > 0)),
    CONSTRAINT live_windows_never_overlap EXCLUDE USING gist
        (camera_id WITH =, tstzrange(start_time, deadline) WITH &&)
        WHERE (status IN ('recording', 'finalizing', 'ready'))
);
CREATE UNIQUE INDEX one_open_segment_a_camera ON video_segments (camera_id) WHERE status = 'recording';
CREATE INDEX segments_unfinished ON video_segments (status) WHERE status IN ('recording', 'finalizing', 'expiring');

-- What the list searches and sorts by.
CREATE INDEX segments_by_time ON video_segments (start_time, id) INCLUDE (deadline, camera_id, status);
CREATE INDEX segments_by_camera ON video_segments (camera_id, start_time, id) INCLUDE (deadline, status);
CREATE INDEX segments_by_status ON video_segments (status, start_time, id);
CREATE INDEX segments_by_confidence ON video_segments (best_confidence);
CREATE INDEX segments_protected ON video_segments (start_time, id) WHERE protected;

-- What retention walks along, oldest first, of one camera or of all; a failed segment ages by its window.
CREATE INDEX segments_oldest ON video_segments (coalesce(end_time, deadline), id)
    WHERE status IN ('ready', 'failed') AND NOT protected;
CREATE INDEX segments_oldest_of_camera ON video_segments (camera_id, coalesce(end_time, deadline), id)
    WHERE status IN ('ready', 'failed') AND NOT protected;
CREATE INDEX segments_marked ON video_segments (archived_at, id) WHERE status = 'expiring';
CREATE INDEX segments_expired ON video_segments (expired_at, id) WHERE status = 'expired';
CREATE INDEX segments_continued ON video_segments (continues) WHERE continues IS NOT NULL;

-- A check walks keys in the order of the store's listing, which is of bytes.
CREATE INDEX segments_ready_by_path ON video_segments (file_path);
CREATE INDEX segments_ready_by_key ON video_segments (file_path COLLATE "C") WHERE status = 'ready';
CREATE INDEX segments_by_thumbnail ON video_segments (thumbnail_path) WHERE status <> 'expired';

CREATE TABLE segment_parts (
    id uuid PRIMARY KEY,
    segment_id uuid NOT NULL REFERENCES video_segments (id) ON DELETE CASCADE,
    number integer NOT NULL,
    start_time timestamptz NOT NULL,
    end_time timestamptz NOT NULL CHECK (end_time > start_time),
    state text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'queued', 'running', 'done', 'gap')),
    offer integer NOT NULL DEFAULT 0,
    offered_at timestamptz,
    token text,
    lease_until timestamptz,
    not_before timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    retries integer NOT NULL DEFAULT 0,
    -- Encoded, and waiting in the frames Redis because storage refused: needs no frames any more.
    parked boolean NOT NULL DEFAULT false,
    object_key text,
    facts jsonb,
    thumbnail bytea,
    error text,
    UNIQUE (segment_id, number)
);
CREATE INDEX parts_unfinished ON segment_parts (segment_id) WHERE state NOT IN ('done', 'gap');
CREATE INDEX parts_by_key ON segment_parts (object_key) WHERE object_key IS NOT NULL;
CREATE INDEX parts_told ON segment_parts (state, offered_at) WHERE state IN ('queued', 'running');

-- The tables of shared/domain/lifecycle.py (a test holds them equal): whatever a statement forgets, no row goes back.
CREATE FUNCTION allowed_transition() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was text := CASE TG_TABLE_NAME WHEN 'video_segments' THEN to_jsonb(OLD) ->> 'status' ELSE to_jsonb(OLD) ->> 'state' END;
    will text := CASE TG_TABLE_NAME WHEN 'video_segments' THEN to_jsonb(NEW) ->> 'status' ELSE to_jsonb(NEW) ->> 'state' END;
BEGIN
    IF was IS DISTINCT FROM will AND NOT (was || '>' || will) = ANY (TG_ARGV) THEN
        RAISE EXCEPTION '% cannot go from % to %', TG_TABLE_NAME, was, will USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER segments_follow_their_life BEFORE UPDATE OF status ON video_segments FOR EACH ROW
    EXECUTE FUNCTION allowed_transition('recording>finalizing', 'finalizing>ready', 'finalizing>failed',
        'ready>finalizing', 'ready>failed', 'ready>expiring', 'failed>finalizing', 'failed>expiring',
        'expiring>expired');
CREATE TRIGGER parts_follow_their_life BEFORE UPDATE OF state ON segment_parts FOR EACH ROW
    EXECUTE FUNCTION allowed_transition('due>queued', 'due>gap', 'queued>running', 'queued>due', 'running>done',
        'running>due', 'running>gap');
