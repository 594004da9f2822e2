"""Jobs from files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from omegacell.cellstate.errors import NotFound, SpecInvalid
from omegacell.client.files import load_jobs, load_services, parse_jobs, parse_services

ONE = {"name": "x", "command": ["sleep", 1], "env": {"N": 3}, "resources": {"cpu": 0.5, "memory": "1MiB"}}


@pytest.mark.parametrize("written", [ONE, [ONE], {"jobs": [ONE]}])
def test_a_file_holds_one_job_or_a_list_or_jobs(tmp_path: Path, written: object) -> None:
    file = tmp_path / "jobs.json"
    file.write_text(json.dumps(written))
    (job,) = load_jobs(file)
    assert (list(job.command or ()), job.env) == (["sleep", "1"], {"N": "3"})


def test_yaml_reads_as_people_write_it() -> None:
    jobs = parse_jobs(
        "jobs:\n- command: [echo, '{item}']\n  each: [a, 1]\n  timeout: 10m\n- command: [x]\n", "f"
    )
    assert [len(job.compile()[1]) for job in jobs] == [2, 0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("jobs: [", "f is neither YAML nor JSON"),
        ("", "f is None; expected the fields of a job"),
        ("[]", "f has no jobs"),
        ("jobs: []", "f has no jobs"),
        ("- command: [x]\n- 3", "job 2 of f is 3; expected the fields of a job"),
        ("- command: [x]\n- commend: [x]", "job 2 of f: job has no field 'commend'; did you mean 'command'?"),
        (
            "name: web\ncommand: [x]\nreplicas: 2",
            "f has 'replicas', which is not of a job; for services use omega apply",
        ),
        ("services: []", "for services use omega apply"),
        ("command: [x]\n3: 4", "expected the fields of a job"),
        ("command: [x]\nresources: {memory: 512m}", "f: memory='512m' has the unknown unit 'm'"),
    ],
)
def test_a_file_that_cannot_be_used_says_which_job_and_why(text: str, says: str) -> None:
    with pytest.raises(SpecInvalid) as caught:
        parse_jobs(text, "f")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        load_jobs(tmp_path / "none.yaml")
    with pytest.raises(SpecInvalid, match="cannot be read"):
        load_jobs(tmp_path)


@pytest.mark.parametrize("around", ["{}", "[{}]", "services: [{}]"])
def test_a_file_of_services_holds_one_or_a_list_or_services(tmp_path: Path, around: str) -> None:
    file = tmp_path / "web.yaml"
    file.write_text(
        around.replace(
            "{}", "{name: web, command: [serve], replicas: 2, ports: {http: null}, health: {path: /healthz}}"
        )
    )
    (service,) = load_services(file)
    assert (service.name, service.replicas, dict(service.ports)) == ("web", 2, {"http": None})
    assert service.health is not None
    assert service.health.path == "/healthz"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("jobs: [{command: [x]}]", "f has 'jobs', which is not of a service; for jobs use omega submit"),
        ("- {name: a, command: [x]}\n- {name: b, command: [x], count: 3}", "service 2 of f has 'count'"),
        (
            "services: []",
            "f has no services; expected one service, a list of services, or services: with a list",
        ),
        ("command: [x]", "f: service has no name; give it one"),
    ],
)
def test_a_file_of_services_that_cannot_be_used_says_which_and_why(text: str, says: str) -> None:
    with pytest.raises(SpecInvalid) as caught:
        parse_services(text, "f")
    assert says in str(caught.value)
