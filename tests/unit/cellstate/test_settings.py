"""What may be set from the environment, and the sentence for what may not."""

from __future__ import annotations

import pytest

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.settings import Settings


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RETENTION", "LOG_RETENTION", "GPUS", "LEASE_SECONDS", "POLL_ONLY"):
        monkeypatch.delenv(f"OMEGA_{name}", raising=False)


def test_jobs_are_kept_a_month_and_the_log_a_week() -> None:
    settings = Settings()
    assert (settings.retention_seconds, settings.log_retention_seconds) == (30 * 86400, 7 * 86400)
    assert settings.gpus is None


def test_retention_is_seconds_or_has_a_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMEGA_RETENTION", "2d")
    monkeypatch.setenv("OMEGA_LOG_RETENTION", "3600")
    settings = Settings()
    assert (settings.retention_seconds, settings.log_retention_seconds) == (2 * 86400, 3600)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("OMEGA_RETENTION", "soon", "OMEGA_RETENTION='soon' is no duration; expected seconds"),
        ("OMEGA_LOG_RETENTION", "0", "OMEGA_LOG_RETENTION=0.0 cannot be used; expected more than 0"),
        ("OMEGA_GPUS", "63", "OMEGA_GPUS='63' cannot be used; expected at most 62"),
        ("OMEGA_LEASE_SECONDS", "x", "OMEGA_LEASE_SECONDS='x' cannot be used; expected a number"),
        ("OMEGA_POLL_ONLY", "maybe", "OMEGA_POLL_ONLY='maybe' cannot be used; expected true or false"),
    ],
)
def test_a_setting_that_means_nothing_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SpecInvalid) as caught:
        Settings()
    assert str(caught.value).startswith(says)
