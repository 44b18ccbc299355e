CREATE EXTENSION IF NOT EXISTS btree_gist;

-- One row: the id that the bucket's sentinel must repeat before anything is deleted there.
CREATE TABLE deployment (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now()
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
    duration_seconds double precision,
    file_size_bytes bigint,
    width integer,
    height integer,
    resolution text GENERATED ALWAYS AS (width::text || 'x' || height::text) STORED,
    archived boolean GENERATED ALWAYS AS (status IN ('expiring', 'expired')) STORED,
    protected boolean NOT NULL DEFAULT false,
    note text,
    policy jsonb NOT NULL,
    codec text NOT NULL,
    fps real NOT NULL,
    gaps jsonb NOT NULL DEFAULT '[]',
    frame_count integer,
    frames_lost integer,
    pre_roll_requested_seconds double precision,
    pre_roll_delivered_seconds double precision,
    sha256 text,
    truncated_reason text,
    error text,
    attempts integer NOT NULL DEFAULT 0,
    retries integer NOT NULL DEFAULT 0,
    offer integer NOT NULL DEFAULT 0,
    offered_at timestamptz,
    lease_token text,
    lease_until timestamptz,
    not_before timestamptz,
    archived_at timestamptz,
    expired_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (deadline > start_time),
    CHECK (status <> 'ready' OR (sha256 IS NOT NULL AND file_size_bytes > 0 AND frame_count > 0)),
    CONSTRAINT live_windows_never_overlap EXCLUDE USING gist
        (camera_id WITH =, tstzrange(start_time, deadline) WITH &&)
        WHERE (status IN ('recording', 'finalizing', 'ready'))
);
CREATE UNIQUE INDEX one_open_segment_a_camera ON video_segments (camera_id) WHERE status = 'recording';
CREATE INDEX segments_unfinished ON video_segments (status) WHERE status IN ('recording', 'finalizing', 'expiring');
CREATE INDEX segments_by_time ON video_segments (start_time, id);
CREATE INDEX segments_by_camera ON video_segments (camera_id, start_time, id);
CREATE INDEX segments_oldest_ready ON video_segments (camera_id, end_time) WHERE status = 'ready' AND NOT protected;
CREATE INDEX segments_ready_by_path ON video_segments (file_path);

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
    object_key text,
    facts jsonb,
    thumbnail bytea,
    error text,
    UNIQUE (segment_id, number)
);
CREATE INDEX parts_unfinished ON segment_parts (segment_id) WHERE state NOT IN ('done', 'gap');

CREATE TABLE detections (
    detection_id text PRIMARY KEY,
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
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX detections_pending ON detections (created_at) WHERE outcome = 'pending';
CREATE INDEX detections_wanted ON detections USING gist (camera_id, wanted) WHERE outcome = 'recorded';

CREATE TABLE segment_detections (
    segment_id uuid NOT NULL REFERENCES video_segments (id) ON DELETE CASCADE,
    detection_id text NOT NULL REFERENCES detections (detection_id) ON DELETE CASCADE,
    -- From the segment's first frame (from its start until that is known); may be negative.
    offset_ms integer NOT NULL,
    PRIMARY KEY (segment_id, detection_id)
);
CREATE INDEX segments_of_a_detection ON segment_detections (detection_id);

-- The seed's shape: one row a segment, its detections comma-separated.
CREATE VIEW segments_with_detections AS
SELECT s.*,
       (SELECT string_agg(l.detection_id, ',' ORDER BY l.offset_ms, l.detection_id)
          FROM segment_detections l WHERE l.segment_id = s.id) AS detection_ids
  FROM video_segments s;

-- Kept in the transactions that make or expire a clip, so that statistics never count rows.
CREATE TABLE segment_counters (
    camera_id text NOT NULL,
    day date NOT NULL,
    segments bigint NOT NULL DEFAULT 0,
    bytes bigint NOT NULL DEFAULT 0,
    duration_ms bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (camera_id, day)
);

CREATE TABLE audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    who text NOT NULL,
    action text NOT NULL,
    segment_id uuid,
    details jsonb NOT NULL DEFAULT '{}'
);

CREATE TABLE jobs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    kind text NOT NULL CHECK (kind IN ('cleanup', 'check')),
    params jsonb NOT NULL DEFAULT '{}',
    regular boolean NOT NULL DEFAULT false,
    state text NOT NULL DEFAULT 'requested' CHECK (state IN ('requested', 'running', 'done', 'failed')),
    requested_by text NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    offered_at timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    progress jsonb,
    result jsonb,
    error text
);
CREATE INDEX jobs_unfinished ON jobs (requested_at) WHERE state IN ('requested', 'running');
CREATE INDEX jobs_regular ON jobs (kind, started_at) WHERE regular;

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text NOT NULL,
    body jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    relayed_at timestamptz
);
CREATE INDEX outbox_waiting ON outbox (id) WHERE relayed_at IS NULL;

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
        'ready>expiring', 'failed>finalizing', 'failed>expiring', 'expiring>expired');
CREATE TRIGGER parts_follow_their_life BEFORE UPDATE OF state ON segment_parts FOR EACH ROW
    EXECUTE FUNCTION allowed_transition('due>queued', 'queued>running', 'queued>due', 'running>done', 'running>due',
        'running>gap');
