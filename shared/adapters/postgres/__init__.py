"""Rows are the truth: what must happen next is always readable from here."""
