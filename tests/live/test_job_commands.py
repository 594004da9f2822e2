"""What jobs and services go through under the omega command: held, blocked, followed, run again, scaled."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.live.conftest import COMMAND_SECONDS, OMEGA, Command
from tests.live.schema import validate
from tests.processes import eventually


def submit(omega: Command, *options: str, **fields: Any) -> str:
    """The id of a new job."""
    return omega("submit", *options, "-", stdin=json.dumps(fields)).out.split()[0]


def test_an_array_of_100_with_3_failures_is_told_and_ends_well_after_retry(
    omega: Command, tmp_path: Path
) -> None:
    script = f"case $OMEGA_TASK_INDEX in 3|50|97) test -e {tmp_path}/mended;; esac && echo {{item}}"
    fields = {"command": ["sh", "-c", script], "each": list(range(100)), "resources": {"cpu": 0.1}}
    job_id = submit(omega, **fields)
    waited = omega("wait", "--json", job_id)
    (told,) = waited.told["jobs"]
    assert (waited.code, told["state"], told["succeeded"], told["failed"]) == (1, "failed", 97, 3)
    results = omega("results", "--json", job_id)
    lacking = [one["task_index"] for one in results.told["results"] if one["error"]]
    assert (results.code, lacking) == (1, [3, 50, 97])

    (tmp_path / "mended").touch()
    retried = omega("retry", "--json", job_id)
    validate("retry", retried.told)
    assert (retried.code, retried.told["jobs"][0]["failed"]) == (0, 0)
    assert omega("wait", job_id).code == 0
    values = omega("results", "--json", job_id)
    assert (values.code, [one["value"] for one in values.told["results"]]) == (
        0,
        [f"{number}\n" for number in range(100)],
    )


def test_a_held_job_and_those_that_wait_for_it_say_so(omega: Command) -> None:
    first = submit(omega, "--hold", command=["true"])
    second = submit(omega, "--after", first, "--after-any", first, command=["true"])
    assert "pending, held" in omega("job", first).out
    shown = omega("job", second).out
    assert "blocked" in shown
    assert f"{first} to succeed" in shown
    told = omega("job", "--json", second).told
    assert (told["blocked_by"], told["waits_for"]) == (1, [{"id": first, "any_end": False}])
    assert f"{second} blocked, held\n" == omega("hold", second).out
    released = omega("release", "--json", first, second)
    assert [one["held"] for one in released.told["jobs"]] == [False, False]
    assert omega("wait", first, second).code == 0
    run = omega(
        "run", "--after", first, "--after-any", second, "--max-lost", "0", "--non-preemptible", "--", "true"
    )
    assert run.code == 0


def test_logs_are_followed_through_attempts_with_the_streams_apart(omega: Command, tmp_path: Path) -> None:
    script = f"""echo one; echo two >&2; until test -e {tmp_path}/go; do sleep 0.05; done
                 echo three; test -e {tmp_path}/again || {{ touch {tmp_path}/again; exit 1; }}"""
    job_id = submit(omega, command=["sh", "-c", script], retries=1, backoff="0s")
    following = [
        subprocess.Popen(
            [OMEGA, "logs", "-f", *options, job_id],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **omega.env},
        )
        for options in ((), ("--json",))
    ]
    try:
        plain, as_json = following
        assert plain.stdout is not None
        assert as_json.stdout is not None
        assert plain.stdout.readline() == "one\n"
        pieces = [json.loads(as_json.stdout.readline()) for _ in range(2)]
        (tmp_path / "go").touch()
        rest, errors = plain.communicate(timeout=COMMAND_SECONDS)
        pieces += map(json.loads, as_json.communicate(timeout=COMMAND_SECONDS)[0].splitlines())
    finally:
        for one in following:
            one.kill()
            one.communicate()
    assert (plain.returncode, as_json.returncode, rest) == (0, 0, "three\none\nthree\n")
    assert [line for line in errors.splitlines() if not line.startswith("omega: ")] == ["two", "two"]
    assert "attempt 1 failed: exit code 1; runs again" in errors
    for piece in pieces:
        validate("logs --follow", piece)
    told = {
        stream: "".join(one["text"] for one in pieces if one["stream"] == stream)
        for stream in ("stdout", "stderr")
    }
    assert told == {"stdout": "one\nthree\none\nthree\n", "stderr": "two\ntwo\n"}


def test_a_service_of_a_file_is_listed_with_its_ports_scaled_and_changed(
    omega: Command, tmp_path: Path
) -> None:
    server = ["python3", "-c", "import os, http.server as h; h.test(port=int(os.environ['OMEGA_PORT_WEB']))"]
    fields = {"name": "filed", "command": server, "ports": {"web": None}, "resources": {"cpu": 0.1}}
    file = tmp_path / "services.yaml"
    file.write_text(json.dumps({"services": [{**fields, "replicas": 2}]}))
    (applied,) = omega("apply", "--json", str(file)).told["services"]
    job_id = applied["id"]
    assert applied == {
        "id": job_id,
        "name": "filed",
        "namespace": "default",
        "replicas": 2,
        "created": True,
    }

    def answering() -> int:
        (service,) = (one for one in omega("services", "--json").told["services"] if one["id"] == job_id)
        return len(service["endpoints"])

    eventually(lambda: answering() == 2, what="both replicas answer")
    row = next(line for line in omega("services").out.splitlines() if line.startswith("filed "))
    assert row.count("web ") == 2
    assert omega("scale", "filed", "3").out.startswith(f"filed {job_id}: 3 replicas, ")
    eventually(lambda: answering() == 3, what="three replicas answer")
    file.write_text(json.dumps({"services": [{**fields, "replicas": 1, "priority": 200}]}))
    assert omega("apply", str(file)).out == f"filed {job_id} (ran already)\n"
    told = omega("job", "--json", job_id).told
    assert (told["replicas"], told["priority"]) == (1, 200)
    eventually(lambda: answering() == 1, what="one replica answers")
    omega("cancel", job_id)
    assert omega("wait", "--timeout", "60", job_id).code == 1
    assert omega("fsck").code == 0


def test_names_in_the_cell_are_offered_after_a_tab(omega: Command) -> None:
    job_id = submit(omega, command=["true"], name="offered")
    machine = omega("machines", "--json").told["machines"][0]["name"]
    cases = {
        f"omega job {job_id}": job_id,
        f"omega drain {machine}": machine,
        "omega scheduler hold bat": "batch-0",
    }
    for words, word in cases.items():
        shell = {
            "_OMEGA_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
        }
        said = Command(env={**omega.env, **shell})()
        assert (said.code, said.err, word in said.out.split()) == (0, "", True), said
