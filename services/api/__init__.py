"""REST API under /v2/video, health and metrics."""
