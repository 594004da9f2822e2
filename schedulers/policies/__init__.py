"""The placement policies that come with omegacell, one a file; a new one: see schedulers/policy.py."""
