"""The Omega paper's figures: how statements are judged, on made-up numbers; the command and the page, on tiny runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from omegacell.bench.figures import catalogue, fig12, progress, reading, report, wording
from omegacell.bench.figures.figure import FULL, QUICK, Figure, Statement, Verdict
from omegacell.cellstate.errors import SpecInvalid
from omegacell.cli.app import run
from omegacell.sim import METRICS
from tests.live.schema import validate

Point = Mapping[str, Any]
Model = Callable[[Point], dict[str, float]]
"""The metrics of a point; those that it leaves out are nan."""


def made_up(figure: Figure, model: Model) -> pd.DataFrame:
    """The frame that the figure's runs would give if the cell behaved like the model."""
    return pd.DataFrame(list(_rows(figure, model)))


def _rows(figure: Figure, model: Model) -> Iterator[dict[str, Any]]:
    for grid in figure.grids(QUICK):
        for values in product(*grid.over.values()):
            point = {
                "part": grid.part,
                "cell": grid.cell,
                **grid.options,
                **dict(zip(grid.over, values, strict=True)),
            }
            yield {**dict.fromkeys(METRICS, float("nan")), **point, "seed": 1, **model(point)}


# --- a model of the paper's world, and of its contrary, for each figure


def table1_paper(point: Point) -> dict[str, float]:
    name = point["architecture"]
    return {
        "ss_conflict_fraction": {"shared_state": 0.2, "parsync": 0.1}.get(name, 0.0),
        "avg_cpu_locked": 0.1 if name == "two_level" else 0.0,
        "batch_scheduled_fraction": 0.8 if name == "partitioned" else 1.0,
        "avg_cpu_util": 0.7 if name == "partitioned" else 0.9,
    }


def table1_contrary(point: Point) -> dict[str, float]:
    return {
        "ss_conflict_fraction": 0.2,
        "avg_cpu_locked": 0.1,
        "batch_scheduled_fraction": 1.0,
        "avg_cpu_util": 0.9,
    }


def fig05_06_paper(point: Point) -> dict[str, float]:
    t_job = point["service_t_job"]
    if point["architecture"] == "monolithic_single":
        return {"batch_wait_first_mean": t_job**3, "ms_busyness": min(1.0, 0.25 * t_job)}
    if point["architecture"] == "monolithic_multi":
        waits = {"batch_wait_first_mean": 0.01 + t_job, "service_wait_first_mean": t_job}
        return {**waits, "ms_busyness": min(1.0, 0.06 + 0.025 * t_job)}
    busy = {"bs_busyness": 0.06, "ss_busyness": min(1.0, 0.025 * t_job)}
    return {"batch_wait_first_mean": 0.01, "service_wait_first_mean": t_job, **busy}


def fig05_06_contrary(point: Point) -> dict[str, float]:
    t_job = point["service_t_job"]
    if point["architecture"] == "shared_state":
        waits = {"batch_wait_first_mean": t_job, "service_wait_first_mean": 3 * t_job + 10}
        return {**waits, "bs_busyness": 0.9, "ss_busyness": 0.9 if t_job >= 3 else 0.1}
    return {"batch_wait_first_mean": 0.01, "service_wait_first_mean": t_job, "ms_busyness": 0.3}


def fig07_paper(point: Point) -> dict[str, float]:
    offers = point["architecture"] == "two_level"
    return {
        "batch_jobs": 100,
        "batch_sched_attempts_total": 1_000 if offers else 100,
        "batch_wait_full_mean": 100.0 if offers else 0.1,
        "batch_jobs_abandoned": 5 if offers else 0,
        "service_jobs_abandoned": 0,
        "bs_busyness": 0.5 if offers else 0.05,
    }


def fig07_contrary(point: Point) -> dict[str, float]:
    shared = fig07_paper({"architecture": "shared_state"})
    return shared | {"batch_jobs_abandoned": 1}


def fig08_paper(point: Point) -> dict[str, float]:
    load = point["batch_rate"] / {"hot": 2.5, "example": 6.0, "clike": 9.5}[point["cell"]]
    return {"bs_busyness": reading.SATURATED * load, "batch_wait_first_mean": 30 * load}


def fig08_contrary(point: Point) -> dict[str, float]:
    return {"bs_busyness": (point["batch_rate"] / 19) ** 2, "batch_wait_first_mean": 0.1}


def fig09_paper(point: Point) -> dict[str, float]:
    n = point["batch_schedulers"]
    return {"bs_conflict_fraction": 0.01 * n, "bs_busyness": 0.5 / n, "bs_busyness_wasted": 0.1 / n}


def fig09_contrary(point: Point) -> dict[str, float]:
    n = point["batch_schedulers"]
    return {"bs_conflict_fraction": 0.5 / n, "bs_busyness": 0.02 * n, "bs_busyness_wasted": 0.01 * n}


def fig10_paper(point: Point) -> dict[str, float]:
    name = point["architecture"]
    left = name == "two_level" and point["service_t_job"] >= 10
    if name == "monolithic_single":
        busy = 0.9
    elif name == "monolithic_multi":
        busy = 0.9 if point["service_t_job"] > 10 else 0.2
    else:
        busy = 0.8 if point["part"] == "plane-coarse" else 0.2
    return _busy(name, busy) | _placed(50 if left else 100)


def fig10_contrary(point: Point) -> dict[str, float]:
    name = point["architecture"]
    busy = {"monolithic_single": 0.1, "monolithic_multi": 0.9}.get(name, 0.8)
    busy = 0.1 if point["part"] == "plane-coarse" else busy
    return _busy(name, busy) | _placed(50 if name == "shared_state" else 100)


def _busy(architecture: str, busy: float) -> dict[str, float]:
    return {"ms_busyness" if architecture.startswith("monolithic") else "ss_busyness": busy}


def _placed(of_a_hundred: float) -> dict[str, float]:
    kinds = ("batch", "service")
    return {f"{kind}_jobs": 100.0 for kind in kinds} | {
        f"{kind}_jobs_fully_scheduled": of_a_hundred for kind in kinds
    }


def fig11_paper(point: Point) -> dict[str, float]:
    return _placed(100) | {"ss_busyness": 0.2}


def fig11_contrary(point: Point) -> dict[str, float]:
    return _placed(100) | {"ss_busyness": 0.7}


def fig12_model(point: Point, *, per_second: float, excess: float, slow: float) -> dict[str, float]:
    t_job, t_task = point["service_t_job"], point["service_t_task"]
    seconds = t_job + fig12.MEAN_TASKS * t_task
    return {
        "service_jobs": point["runtime"] / 100,
        "ss_conflict_fraction": per_second * t_job if t_task < 1 else slow,
        "ss_busyness": (1 + excess) * seconds / 100,
    }


def fig12_paper(point: Point) -> dict[str, float]:
    return fig12_model(point, per_second=0.1, excess=0.4, slow=0.2)


def fig12_contrary(point: Point) -> dict[str, float]:
    return fig12_model(point, per_second=0.01, excess=0.05, slow=0.5)


def fig13_paper(point: Point) -> dict[str, float]:
    saturated_at = {1: 4.0, 3: 12.0}[point["batch_schedulers"]]
    return {
        "bs_busyness": reading.SATURATED * point["batch_t_job"] / saturated_at,
        "bs_conflict_fraction": 0.1,
    }


def fig13_contrary(point: Point) -> dict[str, float]:
    return {"bs_busyness": reading.SATURATED * point["batch_t_job"] / 10, "bs_conflict_fraction": 0.5}


def fig14_paper(point: Point) -> dict[str, float]:
    times = (2.5 if point["detection"] == "coarse" else 1) * (1 if point["commit"] == "incremental" else 2)
    t_job = point["service_t_job"]
    return {"ss_conflict_fraction": 0.01 * times * t_job, "ss_busyness": min(0.94, 0.01 * times * t_job)}


def fig14_contrary(point: Point) -> dict[str, float]:
    fewer = 1.0 if (point["detection"], point["commit"]) == ("fine", "incremental") else 0.5
    return {"ss_conflict_fraction": 0.1 * fewer, "ss_busyness": 0.01 * point["service_t_job"]}


def progress_model(point: Point, *, helped: str) -> dict[str, float]:
    times = 1 if point["part"] == helped else 10
    return {
        "ss_conflict_fraction": 0.2 * times * point["service_t_job"],
        "service_time_to_placed_mean": 10.0 * times,
        "service_scheduled_fraction": 1 - 0.05 * times,
        "service_jobs": 100,
        "service_sched_attempts_total": 200 * times,
        "batch_jobs_abandoned": 0,
        "service_jobs_abandoned": times - 1,
    }


def progress_paper(point: Point) -> dict[str, float]:
    return progress_model(point, helped=progress.WITH)


def progress_contrary(point: Point) -> dict[str, float]:
    return progress_model(point, helped=progress.WITHOUT)


WORLDS: Mapping[str, tuple[Model, Model]] = {
    "table1": (table1_paper, table1_contrary),
    "fig05_06": (fig05_06_paper, fig05_06_contrary),
    "fig07": (fig07_paper, fig07_contrary),
    "fig08": (fig08_paper, fig08_contrary),
    "fig09": (fig09_paper, fig09_contrary),
    "fig10": (fig10_paper, fig10_contrary),
    "fig11": (fig11_paper, fig11_contrary),
    "fig12": (fig12_paper, fig12_contrary),
    "fig13": (fig13_paper, fig13_contrary),
    "fig14": (fig14_paper, fig14_contrary),
    "progress": (progress_paper, progress_contrary),
}
FIGURES = {figure.name: figure for figure in catalogue.FIGURES}


@cache
def judged(name: str, *, paper: bool) -> tuple[Statement, ...]:
    """The statements of a figure in the paper's world, or in the contrary one."""
    return FIGURES[name].statements(made_up(FIGURES[name], WORLDS[name][0 if paper else 1]))


@pytest.mark.parametrize("name", WORLDS)
def test_every_statement_holds_where_the_cell_behaves_as_the_paper_says(name: str) -> None:
    assert [one.name for one in judged(name, paper=True) if one.verdict is not Verdict.HOLDS] == []


@pytest.mark.parametrize("name", WORLDS)
def test_no_statement_holds_where_the_cell_behaves_otherwise(name: str) -> None:
    assert [one.name for one in judged(name, paper=False) if one.verdict is not Verdict.DIFFERS] == []


@pytest.mark.parametrize("name", WORLDS)
def test_a_statement_that_does_not_hold_gives_a_reason_and_one_that_holds_none(name: str) -> None:
    assert [one.name for one in judged(name, paper=True) if one.reason] == []
    assert [one.name for one in judged(name, paper=False) if not one.reason] == []


def test_what_the_simulator_cannot_run_is_not_reproduced_and_says_why() -> None:
    found = FIGURES["fig15_16"].statements(pd.DataFrame())
    assert {one.verdict for one in found} == {Verdict.NOT_REPRODUCED}
    assert all("duration" in one.reason for one in found)


def test_every_row_of_the_papers_evaluation_has_a_figure_with_statements() -> None:
    figures = [f"Fig {number}" for number in range(5, 17)]
    assert list(catalogue.ROWS) == ["Table 1", *figures, "Progress"]
    assert WORLDS.keys() | {"fig15_16"} == FIGURES.keys()


def test_the_full_set_has_at_least_the_points_of_the_quick_one() -> None:
    for figure in catalogue.FIGURES:
        full = {grid.part: grid for grid in figure.grids(FULL)}
        for grid in figure.grids(QUICK):
            for name, values in grid.over.items():
                assert len(full[grid.part].over[name]) >= len(values), (grid.part, name)


def test_figures_are_named_with_or_without_zero_and_two_of_a_picture_are_one() -> None:
    assert [one.name for one in catalogue.named("fig6,FIG05,Table 1")] == ["table1", "fig05_06"]
    with pytest.raises(SpecInvalid, match="fig99"):
        catalogue.named("fig99")


def test_a_level_between_two_points_is_interpolated_and_one_beyond_them_is_never_reached() -> None:
    assert reading.crossing([1, 2, 4], [0.0, 1.0, 3.0], 2.0) == 3.0
    assert reading.reached(reading.crossing([1, 2], [0.0, 1.0], 2.0), "s") == "never within these runs"


# --- the command and its page


class Tags(HTMLParser):
    """Checks that tags are closed in order, and keeps the pictures and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.pictures.append(dict(attrs))
        if tag not in ("img", "meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


TINY = ("--quick", "--only", "fig09,fig15", "--hours", "0.05")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the figures of a few virtual seconds."""
    folder = tmp_path_factory.mktemp("figures")
    assert run(["figures", "--out", str(folder), *TINY]) == 0
    return folder


def test_the_page_holds_its_pictures_words_and_verdicts_itself(made: Path) -> None:
    text = (made / "index.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    (picture,) = tags.pictures
    assert (picture["src"] or "").startswith("data:image/png;base64,")
    assert picture["alt"] == FIGURES["fig09"].alt
    assert "http" not in text
    for part in ("conflict fraction", "Fig 9", "Not reproduced", "12,500", "seed 1", "0.0125 h each"):
        assert part in tags.text, part
    numbers = json.loads((made / "figures.json").read_text())
    for figure in numbers["figures"]:
        for statement in figure["statements"]:
            for told in (statement["paper"], statement["verdict"], wording.sentence(statement["seen"])):
                assert told in tags.text


def test_the_command_goes_on_from_its_runs_and_says_the_same_again(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_size for path in (made / "runs").glob("*.jsonl")}
    first = json.loads((made / "figures.json").read_text())
    assert run(["figures", "--out", str(made), *TINY, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    validate("figures", told)
    assert told["figures"] == first["figures"]
    assert [row["item"] for row in told["rows"]] == ["Fig 9", "Fig 15", "Fig 16"]
    assert len(told["figures"][0]["runs"][0]["points"]) == 6
    assert {path: path.stat().st_size for path in before} == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--out", "{made}", "--only", "fig99"), "figure 'fig99' is unknown"),
        (("--out", "{made}/index.html"), "is no folder"),
        (("--out", "{made}", *TINY[:-1], "0.06"), "is of another sweep"),
    ],
)
def test_what_cannot_be_made_is_refused_in_a_sentence(
    made: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert run(["figures", *(word.format(made=made) for word in words)]) == 2
    assert said in capsys.readouterr().err


def test_a_row_holds_only_if_all_its_statements_do() -> None:
    holding, differing = judged("fig09", paper=True), judged("fig09", paper=False)

    def rows(*statements: Any) -> list[tuple[Verdict, int]]:
        one = report.FigureReport(
            name="fig09", items=("Fig 9",), title="", picture="", statements=statements, runs=()
        )
        return [(row.verdict, row.holding) for row in report.rows([one])]

    assert rows(*holding) == [(Verdict.HOLDS, 3)]
    assert rows(*holding[:2], differing[2]) == [(Verdict.DIFFERS, 2)]
