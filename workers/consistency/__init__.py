"""Rows compared with objects."""
