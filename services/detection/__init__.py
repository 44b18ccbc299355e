"""The reference plate detector: frame buffer in, detections out."""
