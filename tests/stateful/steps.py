"""The steps of a history: what is done, in what order, and how a history that shows a difference is cut short."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

from tests.stateful.strategies import Draw, fields

_Method = TypeVar("_Method", bound=Callable[..., None])
_STEPS: dict[str, tuple[int, Draw[dict[str, Any]]]] = {}


@dataclass(frozen=True, slots=True)
class Step:
    """A method of the twins and its arguments; these mean something in any state, so any step may be left out."""

    name: str
    arguments: dict[str, Any]

    def __str__(self) -> str:
        return (
            f"twins.{self.name}({', '.join(f'{name}={value!r}' for name, value in self.arguments.items())})"
        )


def step(*, weight: int = 1, **arguments: Draw[Any]) -> Callable[[_Method], _Method]:
    """What histories do, `weight` times as often as what weighs 1, with arguments drawn anew each time."""

    def noted(method: _Method) -> _Method:
        _STEPS[method.__name__] = (weight, fields(arguments))
        return method

    return noted


def history(seed: int, length: int) -> list[Step]:
    """So many steps, always the same for a seed."""
    random = Random(seed)
    names = random.choices(list(_STEPS), [weight for weight, _ in _STEPS.values()], k=length)
    return [Step(name, _STEPS[name][1](random)) for name in names]


def shortened(steps: list[Step], fails: Callable[[list[Step]], bool], *, tries: int) -> list[Step]:
    """Fewer of the steps, which still fail: ever smaller parts are left out, at most so many attempts."""
    size = len(steps) // 2
    while size and tries > 0:
        for start in range(0, len(steps), size):
            fewer = steps[:start] + steps[start + size :]
            tries -= 1
            if tries >= 0 and len(fewer) < len(steps) and fails(fewer):
                steps = fewer
                break
        else:
            size //= 2
    return steps
