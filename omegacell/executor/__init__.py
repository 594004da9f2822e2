"""The standard library's Executor over one open job of a cell; loaded when first used, as workers import remote.py."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omegacell.executor.executor import Executor as Executor

__all__ = ["Executor"]


def __getattr__(name: str) -> Any:
    if name == "Executor":
        return importlib.import_module("omegacell.executor.executor").Executor
    raise AttributeError(f"module 'omegacell.executor' has no attribute {name!r}")
