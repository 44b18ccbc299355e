"""Drivers: a folder or a file a vendor.

Frames, holds, parking, objects and the clock have twins for tests; rows are tested on Postgres.
"""
