-- Links that each make one key: the first one of a deployment is made in a browser. A token is 256 random bits, so a plain
-- SHA-256 of it is enough. used_by_key: the key that it made.
CREATE TABLE invitations (
    token_sha256 bytea PRIMARY KEY,
    role text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    lists boolean NOT NULL DEFAULT false,
    cameras text[],
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    used_by_key uuid REFERENCES api_keys (id) ON DELETE SET NULL,
    CHECK (used_at IS NOT NULL OR used_by_key IS NULL)
);
CREATE INDEX invitations_by_expiry ON invitations (expires_at);
