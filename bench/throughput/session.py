"""What runs in each process of a crew: part after part from standard input, until that ends.

A part is answered twice: READY once it is prepared, and what it did once it was told to go. Both ways pickled.
"""

from __future__ import annotations

import pickle
import sys
from contextlib import AbstractContextManager
from typing import Any, Protocol

from omegacell.bench.throughput.figures import Work
from omegacell.cellstate.errors import OmegaError

READY = "ready"
GO = "go"


class Run(Protocol):
    """What is measured of a part."""

    def __call__(self) -> Work: ...


class Part(Protocol):
    """What one process of a crew does."""

    def prepared(self) -> AbstractContextManager[Run]:
        """Everything that is not measured, before and after."""
        ...


def main() -> None:
    """Do what is asked; an OmegaError is the answer, any other error ends the process."""
    asked = sys.stdin.buffer
    while True:
        try:
            part: Part = pickle.load(asked)
            with part.prepared() as run:
                _answer(READY)
                if pickle.load(asked) == GO:
                    _answer(run())
        except EOFError:
            return  # whoever asks is gone
        except OmegaError as error:
            _answer(error)


def _answer(value: Any) -> None:
    pickle.dump(value, sys.stdout.buffer)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
