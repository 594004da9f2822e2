"""Logs through the store: a reader asks, the worker answers, once, within a minute."""

from __future__ import annotations

from dataclasses import replace

import pytest

from omegacell.cellstate.errors import NotFound, TokenLost
from omegacell.cellstate.model import LogPiece, LogRequest
from tests.contract.scene import Scene, WorkerHand

ASKED = LogRequest(request_id=0, job_id=7, task_index=3, attempt=2, stdout_from=10, stderr_from=-100)
PIECE = LogPiece(stdout=b"out\0\xff", stderr=b"", stdout_at=10, stderr_at=5)


def ask(scene: Scene, worker: WorkerHand) -> int:
    return scene.store.ask_log(worker.lease.holder_id, ASKED)


def answer(scene: Scene, worker: WorkerHand, request_id: int, piece: LogPiece = PIECE) -> None:
    scene.store.answer_log(worker.lease.holder_id, worker.lease.token, request_id, piece)


def waiting(scene: Scene, worker: WorkerHand) -> list[LogRequest]:
    return list(scene.store.log_requests(worker.lease.holder_id, worker.lease.token))


def test_a_worker_is_told_what_is_asked_of_it_oldest_first(scene: Scene, worker: WorkerHand) -> None:
    first, second = ask(scene, worker), ask(scene, worker)
    assert waiting(scene, worker) == [
        replace(ASKED, request_id=first),
        replace(ASKED, request_id=second),
    ]


def test_only_the_worker_asked_is_told(scene: Scene, worker: WorkerHand) -> None:
    ask(scene, worker)
    assert waiting(scene, scene.worker("other")) == []


def test_there_is_no_answer_before_the_worker_gave_one(scene: Scene, worker: WorkerHand) -> None:
    request_id = ask(scene, worker)
    assert scene.store.log_answer(request_id) is None
    assert scene.store.log_answer(request_id) is None


def test_an_answer_is_given_once(scene: Scene, worker: WorkerHand) -> None:
    request_id = ask(scene, worker)
    answer(scene, worker, request_id)
    assert waiting(scene, worker) == []
    assert scene.store.log_answer(request_id) == PIECE
    with pytest.raises(NotFound, match="ask again"):
        scene.store.log_answer(request_id)


def test_a_log_that_is_gone_is_an_answer(scene: Scene, worker: WorkerHand) -> None:
    request_id = ask(scene, worker)
    answer(scene, worker, request_id, LogPiece(found=False))
    assert scene.store.log_answer(request_id) == LogPiece(found=False)


def test_the_first_answer_counts(scene: Scene, worker: WorkerHand) -> None:
    request_id = ask(scene, worker)
    answer(scene, worker, request_id)
    answer(scene, worker, request_id, LogPiece(stdout=b"later"))
    assert scene.store.log_answer(request_id) == PIECE


def test_a_worker_does_not_answer_for_another(scene: Scene, worker: WorkerHand) -> None:
    request_id = ask(scene, worker)
    answer(scene, scene.worker("other"), request_id)
    assert scene.store.log_answer(request_id) is None


def test_a_request_is_forgotten_after_a_minute(scene: Scene, worker: WorkerHand) -> None:
    answered, unanswered = ask(scene, worker), ask(scene, worker)
    answer(scene, worker, answered)
    scene.clock.advance(59.75)
    worker.renew()
    assert len(waiting(scene, worker)) == 1
    scene.clock.advance(0.25)
    assert waiting(scene, worker) == []
    answer(scene, worker, unanswered)
    for request_id in (answered, unanswered):
        with pytest.raises(NotFound):
            scene.store.log_answer(request_id)


def test_an_unknown_request_or_worker_is_not_found(scene: Scene, worker: WorkerHand) -> None:
    with pytest.raises(NotFound, match="log request 99 is forgotten"):
        scene.store.log_answer(99)
    with pytest.raises(NotFound, match="worker 99 does not exist"):
        scene.store.ask_log(99, ASKED)


def test_a_worker_that_was_replaced_neither_hears_nor_answers(scene: Scene, worker: WorkerHand) -> None:
    request_id = ask(scene, worker)
    new = scene.worker()
    with pytest.raises(TokenLost):
        waiting(scene, worker)
    with pytest.raises(TokenLost):
        answer(scene, worker, request_id)
    assert [one.request_id for one in waiting(scene, new)] == [request_id]
