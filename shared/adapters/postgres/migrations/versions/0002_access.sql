-- Why somebody looked: said by the request or, where a browser cannot, when the session was opened.
ALTER TABLE access_log ADD COLUMN purpose text, ADD COLUMN case_number text;
ALTER TABLE sessions ADD COLUMN purpose text, ADD COLUMN case_number text;
CREATE INDEX access_log_by_case ON access_log (case_number, id) WHERE case_number IS NOT NULL;
CREATE INDEX access_log_by_who ON access_log (who, id);
CREATE INDEX access_log_by_plate ON access_log (translate(upper(details->>'plate'), ' -._/·•', ''), id)
    WHERE details ? 'plate';

-- What retention walks along, camera by camera, because each has days of its own.
CREATE INDEX segments_forgettable ON video_segments (camera_id, deadline) WHERE status = 'expired';
CREATE INDEX detections_unrecorded ON detections (camera_id, created_at) WHERE outcome NOT IN ('pending', 'recorded');
DROP INDEX detections_never_linked;
