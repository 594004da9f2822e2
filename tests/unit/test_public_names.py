"""The public API is small, instant to import, and complete."""

from __future__ import annotations

import subprocess
import sys

import omegacell


def test_every_public_name_exists() -> None:
    for name in omegacell.__all__:
        assert getattr(omegacell, name) is not None
    assert set(omegacell.__all__) <= set(dir(omegacell))
    assert not hasattr(omegacell, "no_such_name")


def test_importing_omegacell_imports_nothing_heavy() -> None:
    program = (
        "import sys, omegacell; print(sorted({'ray', 'numpy', 'psycopg', 'pydantic'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"[]\n"


def test_defining_a_job_or_a_local_cell_does_not_import_ray() -> None:
    program = "import sys, omegacell; omegacell.Job, omegacell.local, omegacell.connect; print('ray' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"False\n"
    )
