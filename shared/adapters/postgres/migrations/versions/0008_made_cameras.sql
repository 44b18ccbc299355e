-- Cameras that were made through the API or by command; those of platereel.yaml have no row. settings: as an entry of the
-- file's `cameras`, with the source and its password.
CREATE TABLE made_cameras (
    camera_id text PRIMARY KEY,
    settings jsonb NOT NULL,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);
