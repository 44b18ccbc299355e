"""Detections become recordings; the pacer turns what the rows say is due into tasks."""
