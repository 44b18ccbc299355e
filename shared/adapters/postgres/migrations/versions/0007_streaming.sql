-- [[from, to], …] of the parts with pictures, in ms after start_time; null for clips of before this version.
ALTER TABLE video_segments ADD COLUMN fragments jsonb;
