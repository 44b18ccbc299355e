-- Secrets are 256 random bits, so a plain SHA-256 of them is enough. `lookup` is the part of a key that is no secret.
CREATE TABLE api_keys (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE,
    role text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    cameras text[],
    lookup text NOT NULL UNIQUE,
    digest bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz
);

-- Sessions of the page. key_id: the key it was opened with, where that is a row; digest is of the cookie.
CREATE TABLE sessions (
    digest bytea PRIMARY KEY,
    name text NOT NULL,
    role text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    cameras text[],
    key_id uuid REFERENCES api_keys (id) ON DELETE CASCADE,
    -- Of a key of the settings: a session ends when that key is no longer there.
    key_digest text,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE access_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    who text NOT NULL,
    action text NOT NULL,
    segment_id uuid,
    details jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX access_log_by_time ON access_log (at, id);
CREATE INDEX access_log_by_segment ON access_log (segment_id, id) WHERE segment_id IS NOT NULL;
