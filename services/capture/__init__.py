"""Cameras into the frame buffer."""
