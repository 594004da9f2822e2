"""One suite that every store passes: what store.py promises."""
