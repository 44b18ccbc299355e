"""Drivers: one file per port and vendor, each with an in-memory twin in `memory` held to the same contract tests."""
