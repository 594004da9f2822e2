"""Hints that something changed, beside the data's own way: NOTIFY on a connection of its own.

NOTIFY takes an instance-wide lock at commit, so it never rides in a commit. A hint goes at once; further ones within
MERGE_SECONDS are merged into one. A lost hint costs one poll interval, nothing else: nobody may rely on one.
Topics: jobs (work was queued), placements (workers have something to pull), done (a job ended or a task did),
control (people want something else of a scheduler), logs (somebody wants to read what a task wrote).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import sql

MERGE_SECONDS = 0.01
"""Hints on one topic within this time are one: no reader is faster, and a busy cell sends 100 a second at most."""
_RECONNECT_SECONDS = 1.0


def channel(schema: str, topic: str) -> str:
    """The NOTIFY channel of a topic: cells in one database do not hear each other."""
    return f"{schema}_{topic}"


def _connect(dsn: str) -> psycopg.Connection[Any]:
    """A connection that notices within seconds that its link is cut: a listener would stay deaf for hours."""
    return psycopg.connect(
        dsn,
        autocommit=True,
        connect_timeout=5,
        keepalives_idle=3,
        keepalives_interval=1,
        keepalives_count=3,
        tcp_user_timeout=5000,
        application_name="omegacell hints",
    )


class Hints:
    """Sends hints from a thread of its own; `send` never blocks and never fails."""

    def __init__(self, dsn: str, schema: str = "omega") -> None:
        self._dsn, self._schema = dsn, schema
        self._topics: set[str] = set()
        self._wake = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="omega-hints", daemon=True)
        self._thread.start()

    def send(self, topic: str) -> None:
        """Tell whoever listens that `topic` has news."""
        with self._wake:
            self._topics.add(topic)
            self._wake.notify()

    def close(self) -> None:
        """Send what is waiting, then end."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        connection: psycopg.Connection[Any] | None = None
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._topics or self._closed)
                topics, closing = sorted(self._topics), self._closed
                self._topics.clear()
            try:
                connection = connection or _connect(self._dsn)
                for topic in topics:
                    connection.execute("SELECT pg_notify(%s, '')", (channel(self._schema, topic),))
            except psycopg.Error:
                # The hint is lost, which costs its readers a poll interval; the next one gets a new connection.
                if connection is not None:
                    connection.close()
                connection = None
            if closing:
                if connection is not None:
                    connection.close()
                return
            time.sleep(MERGE_SECONDS)


class Listener:
    """Waits for hints on some topics; falls back to plain waiting while the database is away."""

    def __init__(self, dsn: str, schema: str, topics: Sequence[str]) -> None:
        self._dsn, self._schema, self._topics = dsn, schema, tuple(topics)
        self._connection: psycopg.Connection[Any] | None = None
        self._next_connect = 0.0
        self._heard: set[str] = set()

    def wait(self, timeout_seconds: float) -> bool:
        """Whether a hint came within the time; one that came since the last call counts."""
        deadline = time.monotonic() + timeout_seconds
        connection = self._connected()
        if connection is None:
            time.sleep(max(0.0, min(timeout_seconds, _RECONNECT_SECONDS)))
            return False
        try:
            # One after the other: an open notifies() holds the connection's lock.
            rang = list(connection.notifies(timeout=max(0.0, timeout_seconds), stop_after=1))
            if rang:
                rang += connection.notifies(timeout=0)  # everything already here is the same news
            self._heard.update(hint.channel for hint in rang)
            return bool(rang)
        except psycopg.Error:
            self.close()
            time.sleep(max(0.0, min(deadline - time.monotonic(), _RECONNECT_SECONDS)))
        return False

    def heard(self, topic: str) -> bool:
        """Whether `wait` has met a hint on that topic since this was asked last."""
        name = channel(self._schema, topic)
        met = name in self._heard
        self._heard.discard(name)
        return met

    def _connected(self) -> psycopg.Connection[Any] | None:
        if self._connection is None and time.monotonic() >= self._next_connect:
            self._next_connect = time.monotonic() + _RECONNECT_SECONDS
            try:
                connection = _connect(self._dsn)
                for topic in self._topics:
                    connection.execute(
                        sql.SQL("LISTEN {}").format(sql.Identifier(channel(self._schema, topic)))
                    )
                self._connection = connection
            except psycopg.Error:
                self._connection = None
        return self._connection

    def close(self) -> None:
        """Stop listening."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None
