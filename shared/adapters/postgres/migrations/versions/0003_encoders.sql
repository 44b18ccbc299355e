-- The encoder that a recording's first part was made with; its other parts use the same where they can.
ALTER TABLE video_segments ADD COLUMN encoder text;
