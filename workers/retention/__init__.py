"""Retention: chooses expired clips and deletes them."""
