"""Importing this registers the joblib back end "omegacell": joblib.parallel_config(backend="omegacell").

joblib finds its back ends in a register of its own and has no entry point for others', hence the import.
"""

from __future__ import annotations

from joblib import register_parallel_backend

from omegacell.executor.joblib_backend import OmegaBackend

__all__ = ["OmegaBackend"]

register_parallel_backend("omegacell", OmegaBackend)
