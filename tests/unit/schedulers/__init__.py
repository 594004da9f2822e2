"""Tests of what should run where."""
