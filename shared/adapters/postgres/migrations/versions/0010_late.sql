-- How late, in ms of capture time, detections of a recording came: it stays open that long after its deadline.
ALTER TABLE video_segments ADD COLUMN late_ms integer NOT NULL DEFAULT 0;
-- A segment that was born closed can grow until then, and is not joined before.
ALTER TABLE video_segments ADD COLUMN grows_until timestamptz;

-- An event that the broker refused for what it is: it is not tried again before, and holds up no other.
ALTER TABLE outbox ADD COLUMN not_before timestamptz;

-- Every webhook has a lane of its own.
DROP INDEX webhook_deliveries_due;
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (hook, next_at) WHERE next_at IS NOT NULL;

-- What purging walks along: relayed events, and detections that were never linked. Those that were go with their segment.
CREATE INDEX outbox_relayed ON outbox (relayed_at) WHERE relayed_at IS NOT NULL;
CREATE INDEX detections_never_linked ON detections (created_at) WHERE outcome IN ('below_threshold', 'rejected');

DROP INDEX webhook_deliveries_old;
CREATE INDEX webhook_deliveries_old ON webhook_deliveries (created_at);
