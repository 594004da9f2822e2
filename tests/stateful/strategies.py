"""What random histories are made of."""

from __future__ import annotations

from hypothesis import strategies as st

from omegacell.cellstate.model import CommitMode, Detection, OnLost

LEASE_SECONDS = 8.0
MACHINES = ("m0", "m1", "m2")

picks = st.integers(0, 11)
"""An index into whatever list there is, modulo its length."""

mostly = st.sampled_from((True, True, True, True, False))
who = st.sampled_from((0, 0, 0, 0, 0, 0, 1, 2, 5))
"""Which incarnation acts, newest first: mostly a living one, sometimes one that was replaced long ago."""

seconds = st.sampled_from((0.25, 1.0, 1.0, 3.0, LEASE_SECONDS))

claim_rows = st.lists(
    st.tuples(picks, picks, st.integers(1, 4), st.sampled_from((0, 0, 0, 1, 2))), min_size=1, max_size=5
)
"""(job, machine, slots, how many claim_sequences behind)."""

specifications = st.fixed_dictionaries(
    {
        "tasks": st.integers(1, 4),
        "cpu": st.sampled_from((0, 500, 1000, 3000)),
        "memory": st.sampled_from((0, 2**30)),
        "detection": st.sampled_from(Detection),
        "commit": st.sampled_from(CommitMode),
        "gang_min": st.sampled_from((0, 1, 2)),
        "priority": st.sampled_from((100, 200)),
        "service": st.sampled_from((False, False, True)),
        "retries": st.sampled_from((0, 1, 2)),
        "on_lost": st.sampled_from(OnLost),
        "max_lost": st.sampled_from((0, 1, 5)),
        "key": st.sampled_from(("", "", "k1", "k2")),
    }
)
