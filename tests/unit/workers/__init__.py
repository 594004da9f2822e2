"""Tests of the workers: real processes, the in-memory store."""
