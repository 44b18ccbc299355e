"""Parts and finished clips."""
