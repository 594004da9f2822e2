"""What may be submitted, and the sentences that say why something may not."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path
from typing import Any

import pytest

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import Amounts, AntiAffinity, CommitMode, Detection, TaskKind
from omegacell.cellstate.spec import HealthCheck, Job, Resources, Service
from omegacell.cellstate.specification import differing_fields, from_json, to_json


def double(number: int) -> int:
    return 2 * number


def test_a_command_compiles_with_the_defaults_of_the_api() -> None:
    spec, inputs = Job(command=["/bin/sleep", "1"]).compile()
    assert (spec.name, spec.kind, spec.task_count, inputs) == ("sleep", TaskKind.COMMAND, 1, ())
    assert (spec.amounts.cpu_milli, spec.amounts.memory_bytes) == (1000, 0)
    assert (spec.scheduler, spec.priority, spec.preemptible, spec.retries) == ("batch", 100, True, 0)
    assert (spec.detection, spec.commit, spec.max_lost) == (Detection.FINE, CommitMode.INCREMENTAL, 5)


def test_items_of_a_command_become_text() -> None:
    _, inputs = Job(command=["echo", "{item}"], each=["a b", 0.1, {"k": 1}]).compile()
    assert inputs == (b"a b", b"0.1", b'{"k": 1}')


def test_items_of_a_function_become_its_arguments() -> None:
    spec, inputs = Job(function=double, each=(number for number in range(3))).compile()
    assert (spec.name, spec.kind, spec.task_count) == ("double", TaskKind.FUNCTION, 3)
    assert pickle.loads(spec.payload)(21) == 42
    assert [pickle.loads(one) for one in inputs] == [((0,), {}), ((1,), {}), ((2,), {})]


def test_a_job_compiles_twice_alike_also_over_a_generator() -> None:
    job = Job(command=["x"], each=(str(number) for number in range(3)))
    assert job.compile() == job.compile()


def test_a_service_runs_its_replicas_spread_over_machines() -> None:
    spec = Service(name="web", command=["serve"], replicas=3).compile()
    assert (spec.service, spec.task_count, spec.spread, spec.scheduler) == (True, 3, "machine", "service")


def test_the_json_form_holds_everything_but_the_payload() -> None:
    job = Job(
        function=double,
        count=2,
        constraints=["zone in (a, b)"],
        anti_affinity={"machine": 1},
        resources=Resources(cpu=0.5, memory="512MiB"),
        timeout="10m",
        labels={"team": "x"},
    )
    spec, _ = job.compile()
    assert from_json(to_json(spec), spec.payload) == spec
    assert spec.anti_affinity == (AntiAffinity(attribute="machine", limit=1),)
    with pytest.raises(SpecInvalid, match="payload of job 'double'"):
        from_json(to_json(spec), b"another")


def test_differing_fields_are_named() -> None:
    one, _ = Job(command=["x"], priority=5).compile()
    other, _ = Job(command=["y"], name="x", priority=6).compile()
    assert differing_fields(to_json(one), to_json(other)) == ("command", "priority")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "job '' has nothing to run; give it either command or function"),
        ({"function": double}, "has both a command and a function"),
        ({"command": "sleep 1"}, "command='sleep 1' of job cannot be used; expected a list of strings"),
        ({"command": []}, "is empty"),
        ({"command": ["a\0b"]}, "remove the NUL"),
        ({"function": "double", "command": None}, "expected a Python function"),
        ({"count": -1}, "count=-1 of job cannot be used; expected at least 1"),
        ({"count": 2.5}, "expected a whole number"),
        ({"count": 2, "each": [1]}, "has both each and count=2"),
        ({"each": "abc"}, "each='abc' is no list of items"),
        ({"cout": 2}, "job has no field 'cout'; did you mean 'count'?"),
        ({"priority": 1001}, "priority=1001 of job cannot be used; expected at most 1000"),
        ({"retries": -1}, "retries=-1 of job cannot be used; expected at least 0"),
        ({"resources": {"memory": "512m"}}, "memory='512m' has the unknown unit 'm'"),
        ({"resources": {"cpu": 0.0001}}, "cpu=0.0001 is too small"),
        ({"resources": {"cpus": 1}}, "resources has no field 'cpus'; did you mean 'cpu'?"),
        ({"resources": 3}, "resources=3 of job cannot be used"),
        ({"constraints": ["zone ="]}, "constraint 'zone =' has an empty or broken value"),
        ({"constraints": "zone = a"}, "constraints='zone = a' of job cannot be used; expected a list"),
        ({"anti_affinity": {"machine": 0}}, "anti_affinity of 'machine' is 0"),
        ({"spread": "no such thing"}, "spread names the attribute 'no such thing'"),
        ({"timeout": "soon"}, "timeout='soon' is no duration"),
        ({"commit": "maybe"}, "commit='maybe' of job cannot be used; expected 'incremental'"),
        ({"gang_min": 2}, 'say commit="gang"'),
        ({"gang_min": -1, "commit": "gang"}, "gang_min=-1 of job cannot be used; expected at least 0"),
        ({"preemptible": "often"}, "preemptible='often' of job cannot be used; expected true or false"),
        ({"priority": 0.5}, "priority=0.5 of job cannot be used; expected a whole number"),
        ({"env": {"A": None}}, "env['A']=None of job cannot be used; expected text"),
        ({"namespace": ""}, "namespace='' of job cannot be used; expected some text"),
        ({"name": "a\0b"}, "name='a\\x00b' has a NUL or is no Unicode"),
        ({"env": {"A": "\udcff"}}, "env='\\udcff' has a NUL or is no Unicode"),
        ({"labels": {"\0": "a"}}, "labels='\\x00' has a NUL or is no Unicode"),
        ({"command": ["echo", "\udcff"]}, "command='\\udcff' has a NUL or is no Unicode"),
        ({"cwd": Path("/\udcff")}, "has a NUL or is no Unicode"),
    ],
)
def test_a_job_that_cannot_be_is_refused_in_one_sentence(fields: dict[str, Any], says: str) -> None:
    base: dict[str, Any] = {"command": ["true"]} if fields else {}
    with pytest.raises(SpecInvalid) as caught:
        Job(**{**base, **fields})
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "Value error" not in str(caught.value)


def test_what_only_shows_with_all_items_is_refused_at_compilation() -> None:
    with pytest.raises(SpecInvalid, match="is empty"):
        Job(command=["x"], each=[]).compile()
    with pytest.raises(SpecInvalid, match="more than the 2 tasks"):
        Job(command=["x"], count=2, commit="gang", gang_min=3).compile()
    with pytest.raises(SpecInvalid, match="has no text"):
        Job(command=["x"], each=[object()]).compile()
    with pytest.raises(SpecInvalid, match="each='\\\\udcff' has a NUL or is no Unicode"):
        Job(command=["x"], each=["a", "\udcff"]).compile()


def test_limits_reach_the_specification_and_what_a_job_comes_after_does_not() -> None:
    first = Job(command=["x"])
    job = Job(
        command=["x"],
        max_running=3,
        max_failures=2,
        deadline="1h",
        after=["j7", 8, first, "x"],
        after_any=first,
    )
    spec, _ = job.compile()
    assert (spec.max_running, spec.max_failures, spec.deadline_seconds) == (3, 2, 3600.0)
    assert (job.after, job.after_any) == (("j7", 8, first, "x"), (first,))
    assert job.after[2] is first
    assert (spec.after, spec.after_any) == ((), ())


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"after": 3.5}, "after=3.5 is no list of jobs"),
        ({"after": [None]}, "after=None names no job; expected an id such as j7, a JobHandle, or a Job"),
        ({"after_any": True}, "after_any=True names no job"),
        ({"after": ""}, "after='' names no job"),
        ({"after": ["a\0"]}, "after='a\\x00' has a NUL"),
        ({"max_running": 0}, "max_running=0 of job cannot be used; expected at least 1"),
        ({"max_failures": 0}, "max_failures=0 of job cannot be used; expected at least 1"),
        ({"max_running": 2, "commit": "gang"}, 'max_running=2 contradicts commit="gang"'),
        ({"deadline": "soon"}, "deadline='soon' is no duration"),
        ({"held": "often"}, "held='often' of job cannot be used; expected true or false"),
        ({"ports": {"http": 1}}, "job has no field 'ports'"),
    ],
)
def test_limits_and_parents_that_cannot_be_are_refused_in_one_sentence(
    fields: dict[str, Any], says: str
) -> None:
    with pytest.raises(SpecInvalid) as caught:
        Job(command=["x"], **fields)
    assert says in str(caught.value)


def test_ports_and_the_health_check_of_a_service_reach_the_specification() -> None:
    spec = Service(
        name="web",
        command=["serve"],
        ports={"http": None, "admin": 8081},
        health=HealthCheck(port="http", path="/healthz", interval="1s", failures=2),
    ).compile()
    assert spec.ports == (("admin", 8081), ("http", 0))
    assert (spec.health.http_port, spec.health.http_path) == ("http", "/healthz")
    assert (spec.health.interval_seconds, spec.health.timeout_seconds, spec.health.failures) == (1.0, 2.0, 2)
    assert from_json(json.loads(json.dumps(to_json(spec))), b"") == spec


def test_a_health_check_by_command_or_on_the_only_port() -> None:
    by_command = Service(name="a", command=["x"], health=HealthCheck(command=["./check"])).compile()
    assert (by_command.health.command, by_command.health.http_port) == (("./check",), "")
    alone = Service(name="a", command=["x"], ports={"web": None}, health=HealthCheck(path="/up")).compile()
    assert (alone.health.http_port, alone.health.http_path) == ("web", "/up")
    assert not Service(name="a", command=["x"], replicas=0).compile().health.checked


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"replicas": -1}, "replicas=-1 of service cannot be used; expected at least 0"),
        ({"ports": ["http"]}, "ports=['http'] of service cannot be used; expected names with their values"),
        ({"ports": {"a": "x"}}, "ports='x' of service cannot be used; expected a whole number"),
        ({"ports": {"a b": None}}, "ports='a b' is no name of a port"),
        ({"ports": {"a": 70000}}, "ports['a']=70000 is no port; expected 1 to 65535"),
        ({"ports": {"a": 1, "A": 2}}, "ports 'a' and 'A' would both be OMEGA_PORT_A; rename one"),
        ({"ports": {"a": 1, "b": 1}}, "has a number twice"),
        ({"health": {}}, "health has nothing to ask"),
        ({"health": "/up"}, "health='/up' of service cannot be used; expected names with their values"),
        ({"health": {"pth": "/"}}, "health has no field 'pth'; did you mean 'path'?"),
        ({"health": {"path": "/"}}, "names no port, and it has 0"),
        ({"health": {"port": "web"}, "ports": {"http": None}}, "port='web' of health is none of service 'w'"),
        ({"health": {"path": "up"}}, "path='up' of health is no path"),
        ({"health": {"command": ["x"], "path": "/"}}, "health has both a command and HTTP"),
        ({"health": {"command": ["x"], "interval": 0}}, "interval=0 of health leaves no time"),
        ({"health": {"command": ["x"], "failures": 0}}, "failures=0 of health cannot be used"),
    ],
)
def test_a_service_that_cannot_be_is_refused_in_one_sentence(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(SpecInvalid) as caught:
        Service(**{"name": "w", "command": ["x"], **fields})
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_devices_and_custom_resources_are_part_of_what_a_task_holds() -> None:
    written = Resources(gpu=0.5, custom={"tpu": 2, "licence": "0.5"})
    assert written.amounts() == Amounts(
        cpu_milli=1000, gpu_milli=500, custom=(("licence", 500), ("tpu", 2000))
    )
    assert Resources().amounts().plain


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"gpu": 1.5}, "gpu=1.5 is neither a share of one GPU nor whole ones"),
        ({"gpu": None}, "gpu=None of resources cannot be used; expected a number"),
        ({"custom": {"licence": 0}}, "custom['licence']=0 is too small"),
        ({"custom": {"a b": 1}}, "custom='a b' is no name of a resource"),
        (
            {"custom": "licence"},
            "custom='licence' of resources cannot be used; expected names with their values",
        ),
    ],
)
def test_resources_that_cannot_be_are_refused_in_one_sentence(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(SpecInvalid) as caught:
        Resources(**fields)
    assert says in str(caught.value)
    job: dict[str, Any] = {"command": ["true"], "resources": fields}
    with pytest.raises(SpecInvalid, match=re.escape(says)):
        Job(**job)


def test_a_gang_its_minimum_and_who_may_preempt_it_reach_the_specification() -> None:
    spec, _ = Job(
        command=["x"], count=4, commit="gang", gang_min=3, priority=1000, preemptible=False
    ).compile()
    assert (spec.commit, spec.gang_min) == (CommitMode.GANG, 3)
    assert (spec.priority, spec.preemptible) == (1000, False)
    service = Service(name="web", command=["serve"], priority=0, preemptible=False).compile()
    assert (service.priority, service.preemptible) == (0, False)


@pytest.mark.parametrize(
    "resources", [Resources(gpu=0.25), Resources(gpu=2), Resources(custom={"licence": 1, "tpu": 0.5})]
)
def test_the_json_form_holds_devices_and_custom_resources(resources: Resources) -> None:
    spec, _ = Job(command=["x"], resources=resources).compile()
    assert from_json(json.loads(json.dumps(to_json(spec))), b"") == spec


def test_a_specification_stored_before_there_were_devices_reads_as_one_without() -> None:
    spec, _ = Job(command=["x"]).compile()
    written = to_json(spec)
    assert not {"gpu_milli", "custom"} & written.keys()
    assert from_json(written, b"").amounts == Amounts(cpu_milli=1000)


def test_the_same_job_with_and_without_devices_differs() -> None:
    plain, _ = Job(command=["x"]).compile()
    other, _ = Job(command=["x"], resources=Resources(gpu=1, custom={"licence": 1})).compile()
    assert differing_fields(to_json(plain), to_json(other)) == ("custom", "gpu_milli")
