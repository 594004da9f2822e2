"""Results as pandas frames: made, written, read, and summed up. pandas is imported when it is needed, and only then."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from omegacell.bench.sim.intervals import half_width
from omegacell.bench.sim.result import METRICS
from omegacell.cellstate.errors import OmegaError, SpecInvalid

if TYPE_CHECKING:
    import pandas as pd

_HEADER = b"omegacell"
"""The key of a Parquet file's metadata that has the header, as JSON."""


def required(out: Path | str | None = None) -> None:
    """OmegaError if what is needed for frames, or for a Parquet file, is not installed."""
    wanted = ["pandas"] + (["pyarrow"] if out is not None and Path(out).suffix != ".csv" else [])
    for name in wanted:
        if find_spec(name) is None:
            raise OmegaError(f"{name} is not installed, which sweeps need: pip install 'omegacell[research]'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a sweep is written, and its journal."""

    path: Path
    journal: Path

    @classmethod
    def of(cls, out: Path) -> Target:
        """A folder holds sweep.parquet; SpecInvalid for a file of another sort, or one that is no sweep's."""
        if out.suffix in (".parquet", ".csv"):
            path, journal = out, out.with_name(f"{out.name}.points.jsonl")
        elif out.suffix or out.is_file():
            raise SpecInvalid(
                f"out={str(out)!r} is no folder; expected one, or a name that ends in .parquet or .csv"
            )
        else:
            path, journal = out / "sweep.parquet", out / "points.jsonl"
        if path.exists() and not journal.exists():
            raise SpecInvalid(
                f"{path} is there already, without its journal {journal.name}; name another file"
            )
        return cls(path=path, journal=journal)


def frame(rows: Sequence[Mapping[str, Any]], header: Mapping[str, str]) -> pd.DataFrame:
    """A row for each; the header is in `attrs`."""
    import pandas as pd

    made = pd.DataFrame(list(rows))
    made.attrs = {**header}  # type: ignore[dict-item]
    return made


def write(frame: pd.DataFrame, path: Path) -> None:
    """Parquet, the header in its metadata, or CSV under lines "# name: value"; the file is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.suffix == ".csv":
            head = "".join(f"# {name}: {value}\n" for name, value in frame.attrs.items())
            partial.write_text(head + frame.to_csv(index=False), encoding="utf-8")
        else:
            _write_parquet(frame, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    header = json.dumps(dict(frame.attrs)).encode()
    pq.write_table(table.replace_schema_metadata({**(table.schema.metadata or {}), _HEADER: header}), path)


def read(path: Path | str) -> pd.DataFrame:
    """What a sweep wrote; the header is in `attrs`."""
    import pandas as pd

    path = Path(path)
    if path.suffix == ".csv":
        with path.open(encoding="utf-8") as lines:
            head = [line[2:].strip().partition(": ") for line in lines if line.startswith("# ")]
        plain = pd.read_csv(path, comment="#")
        plain.attrs = {name: value for name, _, value in head}
        return plain
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    found: pd.DataFrame = table.to_pandas()
    found.attrs = json.loads((table.schema.metadata or {}).get(_HEADER, b"{}"))
    return found


def summary(
    frame: pd.DataFrame, by: Sequence[str] | str | None = None, *, metrics: Sequence[str] | None = None
) -> pd.DataFrame:
    """A row for each group and metric: mean, std, n, and the ends of the 95 % interval of the mean, low and high.

    by: what the sweep was over, if not given. nan is left out; n is how many are left. std is the sample's
    (n - 1), nan for one; the interval is Student's.
    """
    import pandas as pd

    groups = _names(frame, by)
    chosen = list(metrics or [name for name in frame.columns if name in METRICS])
    rows = [
        {
            **dict(zip(groups, key, strict=True)),
            "metric": metric,
            **_statistics(group[metric].to_numpy(float)),
        }
        for key, group in _grouped(frame, groups)
        for metric in chosen
    ]
    made = pd.DataFrame(rows)
    made.attrs = dict(frame.attrs)
    return made


def compare(frame: pd.DataFrame, on: str, *, metric: str, baseline: Any = None) -> pd.DataFrame:
    """How far each value of `on` is from the baseline (the first, if not given), seed by seed: paired differences.

    A row for each value and group of the rest of what the sweep was over: mean, std, n, low, high of the differences.
    """
    import pandas as pd

    groups = [name for name in _names(frame, None) if name != on]
    first = frame[on].iloc[0] if baseline is None else baseline
    rows = []
    for key, group in _grouped(frame, groups):
        by_seed = group.pivot(index="seed", columns=on, values=metric)
        for value in group[on].unique():
            if value != first:
                difference = (by_seed[value] - by_seed[first]).to_numpy(float)
                there = dict(zip(groups, key, strict=True))
                rows.append(
                    {**there, on: value, "baseline": first, "metric": metric, **_statistics(difference)}
                )
    return pd.DataFrame(rows)


def _names(frame: pd.DataFrame, by: Sequence[str] | str | None) -> list[str]:
    if by is None:
        by = [name for name in str(frame.attrs.get("over", "")).split(",") if name]
    return [by] if isinstance(by, str) else list(by)


def _grouped(frame: pd.DataFrame, groups: Sequence[str]) -> list[tuple[tuple[Any, ...], pd.DataFrame]]:
    """The groups in order of first appearance; the whole frame if there is nothing to group by."""
    if not groups:
        return [((), frame)]
    return [(key, group) for key, group in frame.groupby(list(groups), sort=False, dropna=False)]


def _statistics(values: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, float]:
    there = values[np.isfinite(values)]
    n = len(there)
    mean = float(there.mean()) if n else float("nan")
    std = float(there.std(ddof=1)) if n > 1 else float("nan")
    half = half_width(std, n)
    return {"mean": mean, "std": std, "n": n, "low": mean - half, "high": mean + half}
