"""Starts the guard as a program: python -I -S boot.py DATA_DIR, with the caller's socket as standard input.

Importing omegacell would run its __init__ and pull in packages that the guard must not need, and that would
make it start slowly. Empty stand-ins for the two packages let guard.py be imported by its full name.
"""

from __future__ import annotations

import os
import sys
import types

if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    for name, folder in (("omegacell", os.path.dirname(here)), ("omegacell.embedded_postgres", here)):
        package = types.ModuleType(name)
        package.__path__ = [folder]
        sys.modules[name] = package

    from omegacell.embedded_postgres.guard import main

    main()
