-- Links that show one clip to somebody without a key. A token is 256 random bits, so a plain SHA-256 of it is enough.
CREATE TABLE shares (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    segment_id uuid NOT NULL REFERENCES video_segments (id) ON DELETE CASCADE,
    token_sha256 bytea NOT NULL UNIQUE,
    note text,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoked_by text,
    -- How often it was opened, not how often a player asked for bytes.
    views integer NOT NULL DEFAULT 0,
    last_seen_at timestamptz,
    CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
CREATE INDEX shares_of_a_segment ON shares (segment_id, created_at);
