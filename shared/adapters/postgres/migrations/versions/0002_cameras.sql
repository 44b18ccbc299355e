-- What was told last of each camera. Several dispatchers watch: the one whose update changes the row tells it.
CREATE TABLE camera_news (
    camera_id text PRIMARY KEY,
    down boolean NOT NULL,
    state text NOT NULL,
    cause text NOT NULL,
    since timestamptz NOT NULL,
    told_at timestamptz NOT NULL DEFAULT now()
);
