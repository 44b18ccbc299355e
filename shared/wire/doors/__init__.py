"""Messages of cameras and readers of other makers, as detections: a pure function a maker."""
