-- Backups are jobs. The constraint is made again, wider.
ALTER TABLE jobs DROP CONSTRAINT jobs_kind_check;
ALTER TABLE jobs ADD CONSTRAINT jobs_kind_check CHECK (kind IN ('cleanup', 'check', 'backup'));

-- usable_from: the oldest schema whose code works with this one; versions that contract raise it. backed_up_at: when the
-- newest backup was made. A restored database: restored_from is when its backup was made, restored_at when it was loaded.
ALTER TABLE deployment
    ADD COLUMN usable_from text NOT NULL DEFAULT '0001',
    ADD COLUMN backed_up_at timestamptz,
    ADD COLUMN restored_from timestamptz,
    ADD COLUMN restored_at timestamptz;
