"""Copies the database into a store, and forgets old copies."""
