-- Why a window was closed before its deadline, where it was (`camera_silent`).
ALTER TABLE video_segments ADD COLUMN closed_early text;
-- How often the audit sent a failed segment, or one whose object was lost, through finalising again.
ALTER TABLE video_segments ADD COLUMN repairs integer NOT NULL DEFAULT 0;

-- Encoded, and waiting in the frames Redis because storage refused: needs no frames any more.
ALTER TABLE segment_parts ADD COLUMN parked boolean NOT NULL DEFAULT false;

DROP TRIGGER segments_follow_their_life ON video_segments;
CREATE TRIGGER segments_follow_their_life BEFORE UPDATE OF status ON video_segments FOR EACH ROW
    EXECUTE FUNCTION allowed_transition('recording>finalizing', 'finalizing>ready', 'finalizing>failed',
        'ready>finalizing', 'ready>failed', 'ready>expiring', 'failed>finalizing', 'failed>expiring',
        'expiring>expired');

DROP TRIGGER parts_follow_their_life ON segment_parts;
CREATE TRIGGER parts_follow_their_life BEFORE UPDATE OF state ON segment_parts FOR EACH ROW
    EXECUTE FUNCTION allowed_transition('due>queued', 'due>gap', 'queued>running', 'queued>due', 'running>done',
        'running>due', 'running>gap');
