-- A job is done in steps of a minute: where the next one goes on, and how many workers died over it.
ALTER TABLE jobs ADD COLUMN cursor jsonb, ADD COLUMN deaths integer NOT NULL DEFAULT 0;

-- What a check has found and not yet acted on. A clip or an object is looked at again right before anything happens to it.
CREATE TABLE check_suspects (
    run_id uuid NOT NULL,
    kind text NOT NULL,
    key text COLLATE "C" NOT NULL,
    segment_id uuid,
    noted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, kind, key)
);

-- When a pacer last looked: while one does, no recording is abandoned.
ALTER TABLE deployment ADD COLUMN paced_at timestamptz;

-- The check walks keys in the order of the store's listing, which is of bytes.
CREATE INDEX segments_ready_by_key ON video_segments (file_path COLLATE "C") WHERE status = 'ready';
CREATE INDEX segments_by_thumbnail ON video_segments (thumbnail_path) WHERE status <> 'expired';
CREATE INDEX parts_by_key ON segment_parts (object_key) WHERE object_key IS NOT NULL;
CREATE INDEX parts_told ON segment_parts (state, offered_at) WHERE state IN ('queued', 'running');
