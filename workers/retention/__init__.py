"""Retention: which clips go, and their going."""
