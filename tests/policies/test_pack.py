"""The policy pack, started and asked as Pulumi's engine does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime import proto
from pulumi.runtime.proto.analyzer_pb2_grpc import AnalyzerStub

from policies import RULES

FOLDER = Path(__file__).parents[2] / "policies"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # what the engine sends in a preview for what is not known yet


@pytest.fixture(scope="module")
def pack() -> Iterator[AnalyzerStub]:
    facts = {"PULUMI_PROJECT": "aml", "PULUMI_STACK": "prod", "PULUMI_DRY_RUN": "true"}
    command = [sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:1", str(FOLDER)]
    with subprocess.Popen(command, env={**os.environ, **facts}, cwd=FOLDER, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            with grpc.insecure_channel(f"127.0.0.1:{int(server.stdout.readline())}") as channel:
                yield AnalyzerStub(channel)
        finally:
            server.terminate()


def request(type: str, name: str, properties: dict[str, object], **more: object) -> dict[str, object]:
    urn = f"urn:pulumi:prod::aml::{type}::{name}"
    return {"type": type, "name": name, "urn": urn, "properties": ParseDict(properties, Struct()), **more}


def rules(answer: proto.AnalyzeResponse) -> set[str]:
    return {one.policyName for one in answer.diagnostics if one.enforcementLevel == proto.MANDATORY}


def test_it_has_every_rule_and_each_refuses(pack: AnalyzerStub) -> None:
    told = pack.GetAnalyzerInfo(Empty())
    assert {one.name for one in told.policies} == {rule.name for rule in RULES}
    assert {one.enforcementLevel for one in told.policies} == {proto.MANDATORY}


def test_one_resource_is_judged_before_it_is_made(pack: AnalyzerStub) -> None:
    account = "azure-native:storage:StorageAccount"
    right = {"allowSharedKeyAccess": False, "minimumTlsVersion": "TLS1_2", "allowBlobPublicAccess": False}
    right |= {"publicNetworkAccess": "Disabled"}  # type: ignore[dict-item]
    protected = proto.AnalyzerResourceOptions(protect=True)
    assert rules(pack.Analyze(proto.AnalyzeRequest(**request(account, "a", dict(right), options=protected)))) == set()
    wrong = pack.Analyze(proto.AnalyzeRequest(**request(account, "a", {**right, "minimumTlsVersion": "TLS1_0"})))
    assert rules(wrong) == {"storage-tls", "protect"}
    assert any("minimumTlsVersion is 'TLS1_0'" in one.message for one in wrong.diagnostics)
    later = pack.Analyze(
        proto.AnalyzeRequest(**request(account, "a", {**right, "minimumTlsVersion": UNKNOWN}, options=protected))
    )
    assert rules(later) == set()
    assert any("minimumTlsVersion can't be known" in one.message for one in later.diagnostics)


def test_the_whole_stack_is_judged_at_its_end(pack: AnalyzerStub) -> None:
    vault = request("azure-native:keyvault:Vault", "vault", {})
    setting = request("azure-native:monitor:DiagnosticSetting", "logs", {"resourceUri": UNKNOWN})
    alone = pack.AnalyzeStack(proto.AnalyzeStackRequest(resources=[proto.AnalyzerResource(**vault)]))
    assert rules(alone) == {"diagnostic-settings"} and alone.diagnostics[0].urn == vault["urn"]
    refers = {"resourceUri": proto.AnalyzerPropertyDependencies(urns=[vault["urn"]])}
    both = [proto.AnalyzerResource(**vault), proto.AnalyzerResource(**setting, propertyDependencies=refers)]
    assert rules(pack.AnalyzeStack(proto.AnalyzeStackRequest(resources=both))) == set()
