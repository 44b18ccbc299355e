"""The HTTP doors for detections of other makers' cameras and readers."""
