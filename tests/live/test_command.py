"""The omega command through its real entry point, against a running local cell."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path

from tests.live.conftest import COMMAND_SECONDS, OMEGA, Command


def one_line(text: str) -> bool:
    return text.startswith("omega: ") and text.count("\n") == 1 and "Traceback" not in text


def test_run_shows_what_the_command_wrote_and_exits_with_its_code(omega: Command) -> None:
    said = omega.installed(
        "run", "--name", "x", "--cpu", "0.5", "--env", "A=b", "--", "sh", "-c", "echo $A; echo e >&2; exit 7"
    )
    assert (said.code, said.out, said.err) == (7, "b\n", "e\n")


def test_run_of_a_command_that_is_not_there_says_so(omega: Command) -> None:
    said = omega("run", "--", "no-such-command")
    assert (said.code, said.out) == (127, "")
    assert one_line(said.err)
    assert "'no-such-command' was not found" in said.err


def test_run_as_json_is_one_object(omega: Command) -> None:
    told = omega("run", "--json", "--", "echo", "hi").told
    assert (told["state"], told["exit_code"], told["stdout"]) == ("succeeded", 0, "hi\n")


def test_run_shows_all_that_was_written_however_short_the_task(omega: Command) -> None:
    whole = "".join(f"{number}\n" for number in range(1, 100001))
    for _ in range(5):
        said = omega("run", "--name", "long", "--", "seq", "1", "100000")
        assert (said.out == whole, said.err) == (True, "")
    job_id = omega("jobs", "--json", "--limit", "1").told["jobs"][0]["id"]
    assert omega("logs", job_id).out == whole
    assert omega("run", "--json", "--", "seq", "1", "100000").told["stdout"] == whole


def test_run_says_what_is_missing_of_a_log_that_has_gone(omega: Command, data_dir: Path) -> None:
    job_id = omega("submit", "--wait", "-", stdin='{"command": ["seq", "1", "100000"]}').out.split()[0]
    (file,) = data_dir.rglob(f"tasks/{job_id}/0/0.1.stdout")
    file.unlink()
    said = omega("logs", job_id)
    assert (len(said.out), one_line(said.err)) == (16 * 2**10, True)
    assert "OMEGA_LOG_TAIL_BYTES" in said.err


def test_run_shows_every_attempt_in_order(omega: Command, tmp_path: Path) -> None:
    script = f"echo x >> {tmp_path}/n; wc -l < {tmp_path}/n; test $(wc -l < {tmp_path}/n) = 2"
    said = omega("run", "--retries", "2", "--", "sh", "-c", script)
    assert (said.code, said.out) == (0, "1\n2\n")
    assert said.err == "omega: attempt 1 failed: exit code 1; runs again\n"


def test_run_explains_an_impossible_job_and_a_signal_cancels_it(omega: Command) -> None:
    """Three at once, as the explanation takes its time."""
    codes = {signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGINT: 130}
    running = {
        number: subprocess.Popen(
            [OMEGA, "run", "--name", f"stopped-{code}", "--cpu", "64", "--", "true"],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **omega.env},
        )
        for number, code in codes.items()
    }
    try:
        for number, process in running.items():
            assert process.stderr is not None
            said = ""
            while "Ctrl-C cancels" not in said:
                line = process.stderr.readline()
                assert line.startswith("omega: "), said
                said += line
            assert "cpu 64" in said
            process.send_signal(number)
        assert {number: process.wait(COMMAND_SECONDS) for number, process in running.items()} == codes
    finally:
        for process in running.values():
            process.kill()
            process.communicate()
    listed = omega("jobs", "--json").told["jobs"]
    found = {one["name"]: one["state"] for one in listed if one["name"].startswith("stopped-")}
    assert found == {f"stopped-{code}": "cancelled" for code in codes.values()}


def test_a_signal_cancels_the_task_that_runs(omega: Command) -> None:
    command = [str(OMEGA), "run", "--", "sh", "-c", "echo here; exec sleep 1000"]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, **omega.env}
    )
    assert running.stdout is not None
    assert running.stdout.readline() == b"here\n"
    running.terminate()
    assert running.wait(COMMAND_SECONDS) == 143
    running.stdout.close()
    assert omega("jobs", "--json", "--limit", "1").told["jobs"][0]["state"] == "cancelled"


def test_times_in_options_are_seconds_or_have_a_unit(omega: Command) -> None:
    assert omega("run", "--timeout", "20", "--", "true").code == 0
    job_id = omega("submit", "-", stdin='{"command": ["true"]}').out.strip()
    assert omega("wait", "--timeout", "10m", job_id).code == 0
    refused = omega("wait", "--timeout", "soon", job_id)
    assert (refused.code, "--timeout='soon' is no duration" in refused.err) == (2, True)


def test_run_with_a_timeout_exits_with_124(omega: Command) -> None:
    said = omega("run", "--timeout", "200ms", "--", "sleep", "100")
    assert said.code == 124
    assert "timed_out" in said.err


def test_a_job_from_file_to_results(omega: Command, tmp_path: Path) -> None:
    file = tmp_path / "jobs.yaml"
    file.write_text("name: letters\ncommand: [sh, -c, 'echo {item}; test {item} != b']\neach: [a, b, c]\n")
    submitted = omega("submit", "--json", str(file)).told["jobs"]
    (job_id,) = (one["id"] for one in submitted)
    assert submitted == [{"id": job_id, "created": True, "ended": None}]

    waited = omega("wait", "--json", job_id)
    assert (waited.code, waited.told["jobs"][0]["state"]) == (1, "failed")

    results = omega("results", "--json", job_id)
    assert results.code == 1
    assert [one["value"] for one in results.told["results"]] == ["a\n", None, "c\n"]
    assert "exit code 1" in results.told["results"][1]["error"]
    assert omega("results", "--errors", "skip", job_id).out == f"{job_id}.0\ta\n{job_id}.2\tc\n"

    assert omega("logs", f"{job_id}.2").out == "c\n"
    assert omega("logs", "--json", f"{job_id}.2").told["logs"]["stdout"] == "c\n"
    assert omega("logs", job_id).code == 2

    shown = omega("job", "--json", job_id).told
    assert (shown["id"], shown["succeeded"], shown["failed"]) == (job_id, 2, 1)
    assert "failed" in omega("job", job_id).out
    assert "2 succeeded, 1 failed" in omega("explain", job_id).out
    assert omega("explain", "--json", job_id).told["state"] == "failed"

    listed = omega("jobs", "--json", "--state", "failed", "--limit", "1000").told["jobs"]
    assert job_id in {one["id"] for one in listed}
    assert job_id in omega("jobs", "--limit", "1000").out


def test_submit_reads_standard_input_and_waits(omega: Command) -> None:
    said = omega("submit", "--wait", "-", stdin=json.dumps({"command": ["true"], "key": "stdin"}))
    assert said.code == 0
    again = omega("submit", "-", stdin=json.dumps({"command": ["true"], "key": "stdin"}))
    assert again.out == f"{said.out.splitlines()[0]} (existed already)\n"


def test_an_impossible_job_waits_says_why_and_is_cancelled(omega: Command) -> None:
    text = json.dumps({"command": ["true"], "resources": {"cpu": 64}, "name": "huge"})
    job_id = omega("submit", "-", stdin=text).out.strip()
    timed_out = omega("wait", "--timeout", "1", job_id)
    assert timed_out.code == 124
    assert one_line(timed_out.err.splitlines(keepends=True)[-1])
    assert "cpu 64" in omega("explain", job_id).out
    assert omega("cancel", "--json", job_id).told["jobs"][0]["state"] == "cancelled"
    assert omega("wait", job_id).code == 1


def test_machines_are_listed_drained_and_taken_back(omega: Command) -> None:
    machines = omega("machines", "--json").told["machines"]
    assert [one["capacity"]["cpu_milli"] for one in machines] == [2000, 2000]
    name = machines[0]["name"]
    assert omega("drain", "--json", name).told["machine"]["schedulable"] is False
    assert re.search(rf"^{name} +drained ", omega("machines").out, re.MULTILINE)
    assert omega("uncordon", name).out == f"{name} up, 0 placements\n"


def test_schedulers_and_policies_are_listed(omega: Command) -> None:
    found = omega("schedulers", "--json").told["schedulers"]
    assert {(one["kind"], one["alive"]) for one in found} == {("batch", True), ("service", True)}
    assert "CONFLICT FRACTION" in omega("schedulers").out
    assert {"best_fit", "first_fit"} <= set(omega("policies", "--json").told["policies"])
    assert "scheduler kind" in omega("policies").out


def test_fsck_version_and_upgrade(omega: Command) -> None:
    assert omega("fsck").out == "all invariants hold\n"
    assert omega("fsck", "--json").told["violations"] == []
    assert omega("version").out.startswith("omegacell ")
    assert omega("db", "upgrade", "--json").told["schema"] == "omega"
