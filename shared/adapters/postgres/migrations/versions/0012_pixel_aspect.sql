-- Width to height of a pixel, as 2:1; NULL: square. Fixed by the first part, as width and height are.
ALTER TABLE video_segments ADD COLUMN pixel_aspect text;
