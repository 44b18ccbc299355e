-- One row: how often the lists have changed. Whoever changes them holds it until the commit, so that revisions are in the
-- order of commits: a dispatcher that has read up to one has missed none before it.
CREATE TABLE plate_list_revision (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    revision bigint NOT NULL DEFAULT 0
);
INSERT INTO plate_list_revision DEFAULT VALUES;

CREATE TABLE plate_lists (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text COLLATE "C" NOT NULL UNIQUE,
    kind text NOT NULL CHECK (kind IN ('known', 'watch', 'ignore')),
    -- Of the kind `ignore`: whether the detections are stored.
    reads text NOT NULL DEFAULT 'kept' CHECK (reads IN ('kept', 'dropped')),
    hit_days double precision,
    quiet_hours text,
    cool_down_seconds double precision NOT NULL DEFAULT 0,
    cameras text[],
    time_zone text NOT NULL DEFAULT 'UTC',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- A plate is on a list once. plate_key is as in segment_plates; in it * and ? are wildcards.
CREATE TABLE plate_list_entries (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    list_id uuid NOT NULL REFERENCES plate_lists (id) ON DELETE CASCADE,
    plate text NOT NULL,
    plate_key text COLLATE "C" NOT NULL GENERATED ALWAYS AS (translate(upper(plate), ' -._/·•', '')) STORED,
    tolerance double precision NOT NULL DEFAULT 0 CHECK (tolerance BETWEEN 0 AND 1),
    name text,
    note text,
    reason text,
    priority integer,
    instructions text,
    cameras text[],
    valid_from timestamptz,
    valid_until timestamptz,
    hours text,
    -- The revision that changed it last.
    revision bigint NOT NULL,
    UNIQUE (list_id, plate_key)
);
CREATE INDEX plate_list_entries_by_key ON plate_list_entries (plate_key);
CREATE INDEX plate_list_entries_changed ON plate_list_entries (revision, id);
-- What accepts more plates than its own.
CREATE INDEX plate_list_entries_wide ON plate_list_entries (list_id) WHERE tolerance > 0 OR plate_key ~ '[*?]';

-- Entries that were deleted within the last hour. A dispatcher that has missed more compares all ids with its own.
CREATE TABLE plate_list_removals (
    revision bigint NOT NULL,
    entry_id uuid NOT NULL,
    removed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (revision, entry_id)
);
CREATE INDEX plate_list_removals_old ON plate_list_removals (removed_at);
CREATE FUNCTION note_removed_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO plate_list_removals (revision, entry_id) SELECT r.revision, w.id FROM was w, plate_list_revision r;
    RETURN NULL;
END $$;
CREATE TRIGGER entries_leave_a_trace AFTER DELETE ON plate_list_entries REFERENCING OLD TABLE AS was
    FOR EACH STATEMENT EXECUTE FUNCTION note_removed_entries();

ALTER TABLE api_keys ADD COLUMN lists boolean NOT NULL DEFAULT false;
