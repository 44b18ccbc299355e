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
    -- A job is done in steps of a minute: where the next one goes on, and how many workers died over it.
    cursor jsonb,
    deaths integer NOT NULL DEFAULT 0,
    result jsonb,
    error text
);
CREATE INDEX jobs_unfinished ON jobs (requested_at) WHERE state IN ('requested', 'running');
CREATE INDEX jobs_regular ON jobs (kind, started_at) WHERE regular;

-- What a check has found and not yet acted on. A clip or an object is looked at again right before anything happens to it.
CREATE TABLE check_suspects (
    run_id uuid NOT NULL,
    kind text NOT NULL,
    key text COLLATE "C" NOT NULL,
    segment_id uuid,
    noted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, kind, key)
);
