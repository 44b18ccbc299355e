"""Celery workers; a folder is a use case."""
