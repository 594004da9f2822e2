"""Tests of the executor: the standard library's behaviours over a cell in memory with one real agent."""
