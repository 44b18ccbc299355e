"""Object storage: S3, or a folder."""
