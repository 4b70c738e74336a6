"""The template for AWS: what a linter can't know, the numbers that have to fit the arena's."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml

from app.process import serve
from app.settings.settings import Settings
from app.web.shared.event_stream import HEARTBEAT_S
from app.web.shared.streams import WHITESPACE_AFTER_S


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short functions as what they are given."""


def _function(loader: yaml.SafeLoader, _suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)  # type: ignore[arg-type]


yaml.add_multi_constructor("!", _function, Loader)

FILE = Path(__file__).parents[2] / "deploy/aws/arena.yaml"
TEMPLATE: dict[str, Any] = yaml.load(FILE.read_text(), Loader)
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]
DISTRIBUTION = RESOURCES["Distribution"]["Properties"]["DistributionConfig"]
DRAIN_S = Settings.model_fields["arena_drain"].default.total_seconds()


def properties(name: str) -> dict[str, Any]:
    found: dict[str, Any] = RESOURCES[name]["Properties"]
    return found


def attributes(name: str, of: str) -> dict[str, str]:
    return {one["Key"]: one["Value"] for one in properties(name)[of]}


def test_cloudfront_waits_for_several_heartbeats_and_asks_once() -> None:
    (origin,) = DISTRIBUTION["Origins"]
    read = origin["VpcOriginConfig"]["OriginReadTimeout"]
    assert 3 * max(HEARTBEAT_S, WHITESPACE_AFTER_S) < read <= 120
    assert origin["ConnectionAttempts"] == 1
    assert "ResponseCompletionTimeout" not in origin


def test_only_assets_are_cached_or_compressed() -> None:
    rest = DISTRIBUTION["DefaultCacheBehavior"]
    assert rest["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    assert rest["Compress"] is False
    assert [one["PathPattern"] for one in DISTRIBUTION["CacheBehaviors"]] == ["/assets/*"]


def test_instances_are_replaced_by_healthz_and_streams_have_time_to_move() -> None:
    targets = properties("Targets")
    assert targets["HealthCheckPath"] == "/healthz"
    assert int(attributes("Targets", "TargetGroupAttributes")["deregistration_delay.timeout_seconds"]) > DRAIN_S + 20
    idle = int(attributes("Balancer", "LoadBalancerAttributes")["idle_timeout.timeout_seconds"])
    assert idle > 3 * HEARTBEAT_S
    assert idle < serve.KEEP_ALIVE_S


def test_nothing_but_cloudfront_is_let_in() -> None:
    assert properties("Balancer")["Scheme"] == "internal"
    (ingress,) = properties("BalancerGroup")["SecurityGroupIngress"]
    assert ingress["SourcePrefixListId"] == "CloudFrontPrefixList"
    for group in ("AppGroup", "GpuGroup", "StoreGroup"):
        assert all("SourceSecurityGroupId" in one for one in properties(group)["SecurityGroupIngress"])
    (default,) = properties("Listener")["DefaultActions"]
    assert default["FixedResponseConfig"]["StatusCode"] == "403"
    assert "CidrIp" not in FILE.read_text()


def test_redis_never_evicts_and_is_no_cluster() -> None:
    assert properties("RedisParameters")["Properties"] == {"maxmemory-policy": "noeviction"}
    assert "NumNodeGroups" not in properties("Redis")


def test_every_setting_is_one_and_every_alarm_tells_somebody() -> None:
    script = str(properties("AppTemplate")["LaunchTemplateData"]["UserData"])
    names = {line.strip().split("=")[0] for line in script.split("\\n") if "=" in line}
    known = {name.upper() for name in Settings.model_fields}
    assert {name for name in names if name.startswith(("ARENA_", "REDIS_", "DATABASE_", "OLLAMA_"))} <= known
    alarms = [one["Properties"] for one in RESOURCES.values() if one["Type"] == "AWS::CloudWatch::Alarm"]
    assert len(alarms) >= 5
    assert all(alarm["AlarmActions"] for alarm in alarms)


def test_readyz_is_what_an_alarm_is_about_and_is_asked_whoever_plays(tmp_path: Path) -> None:
    alarm = properties("NotReady")
    written = RESOURCES["AppTemplate"]["Properties"]["LaunchTemplateData"]["UserData"]["Fn::Base64"]
    script = written.partition("/usr/local/bin/arena-ready <<'END'\n")[2].partition("\nEND\n")[0]
    script = script.replace("${AWS::Region}", "here").replace("${AWS::StackName}", "stack")
    (allowed,) = [
        one["Condition"]["StringEquals"]["cloudwatch:namespace"]
        for one in properties("AppRole")["Policies"][0]["PolicyDocument"]["Statement"]
        if "Condition" in one
    ]
    (dimension,) = alarm["Dimensions"]
    assert (dimension["Value"], alarm["TreatMissingData"]) == ("AWS::StackName", "breaching")
    for status, ready in ((0, 1), (22, 0)):
        for name, body in (("curl", f"exit {status}"), ("aws", f'echo "$@" > {tmp_path}/said')):
            (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
            (tmp_path / name).chmod(0o755)
        subprocess.run(["sh", "-c", script], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=True)
        name = f"--namespace {alarm['Namespace']} --metric-name {alarm['MetricName']}"
        which = f"--value {ready} --dimensions {dimension['Name']}=stack"
        said = (tmp_path / "said").read_text().strip()
        assert said == f"cloudwatch put-metric-data --region here {name} {which}"
        assert allowed == alarm["Namespace"]
