"""Clusters and instances through the SDK and plain requests: sizes, scale, what stays, what is refused."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from azure.ai.ml import command
from azure.ai.ml.entities import AmlCompute, ComputeInstance, Environment, IdentityConfiguration
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from tests.emulator.machinelearning import workspace_id
from tests.waiting import until


def at(client: Any, name: str) -> str:
    return f"{workspace_id(client)}/computes/{name}"


def cluster(**changes: Any) -> dict[str, Any]:
    return {
        "location": "westeurope",
        "properties": {
            "computeType": "AmlCompute",
            "properties": {
                "vmSize": "Standard_DS3_v2",
                "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 4},
                **changes,
            },
        },
    }


def test_a_cluster(workspace: Any) -> None:
    sent = AmlCompute(
        name="cpu-cluster",
        size="Standard_DS3_v2",
        min_instances=1,
        max_instances=4,
        idle_time_before_scale_down=180,
        tier="low_priority",
        tags={"a": "b"},
        identity=IdentityConfiguration(type="system_assigned"),
        ssh_public_access_enabled=False,
    )
    made = workspace.compute.begin_create_or_update(sent).result()
    assert (made.size, made.tier, made.provisioning_state) == ("STANDARD_DS3_V2", "low_priority", "Succeeded")
    found = workspace.compute.get("cpu-cluster")
    assert (found.min_instances, found.max_instances, found.idle_time_before_scale_down) == (1, 4, 180)
    assert found.location == "westeurope" and found.tags == {"a": "b"} and uuid.UUID(found.identity.principal_id)
    assert [one.__dict__["nodeState"] for one in workspace.compute.list_nodes("cpu-cluster")] == ["idle"]
    found.max_instances, found.min_instances = 8, 0
    assert workspace.compute.begin_update(found).result().max_instances == 8
    assert [one.name for one in workspace.compute.list()] == ["cpu-cluster"]
    workspace.compute.begin_delete("cpu-cluster").result()
    with pytest.raises(ResourceNotFoundError):
        workspace.compute.get("cpu-cluster")


def test_an_instance(workspace: Any) -> None:
    made = workspace.compute.begin_create_or_update(ComputeInstance(name="ci-iris", size="STANDARD_DS3_v2")).result()
    assert (made.type, made.state) == ("computeinstance", "Running")
    workspace.compute.begin_stop("ci-iris").result()
    found = workspace.compute.get("ci-iris")
    assert found.state == "Stopped" and found.last_operation["operationName"] == "Stop"
    workspace.compute.begin_start("ci-iris").result()
    workspace.compute.begin_restart("ci-iris").result()
    assert workspace.compute.get("ci-iris").state == "Running"
    workspace.compute.enable_sso(name="ci-iris", enable_sso=False)
    assert workspace.compute.get("ci-iris").enable_sso is False
    assert [one.name for one in workspace.compute.list(compute_type="computeinstance")] == ["ci-iris"]
    with pytest.raises(HttpResponseError):
        list(workspace.compute.list_nodes("ci-iris"))


def test_sizes_and_quota(workspace: Any, arm: Any) -> None:
    sizes = {one.name: one for one in workspace.compute.list_sizes()}
    assert (sizes["Standard_DS3_v2"].vCPUs, sizes["Standard_DS3_v2"].memoryGB) == (4, 14.0)
    assert sizes["Standard_NC24ads_A100_v4"].gpus == 1
    assert {
        "Standard_D4s_v5",
        "Standard_E8s_v3",
        "Standard_F4s_v2",
        "Standard_ND40rs_v2",
        "Standard_NV36ads_A10_v5",
    } <= set(sizes)
    arm.put(at(workspace, "two"), cluster(scaleSettings={"minNodeCount": 2, "maxNodeCount": 2}))
    used = {one.name["value"]: one for one in workspace.compute.list_usage()}
    assert used["standardDSv2Family"].currentValue >= 8 and used["TotalDedicatedCores"].limit > 8
    scope = f"/subscriptions/{arm.subscription}/providers/Microsoft.MachineLearningServices/locations"
    assert arm.get(f"{scope}/atlantis/vmSizes").status_code == 400


def test_a_size_that_is_none(shared: Any, arm: Any) -> None:
    answer = arm.put(at(shared, "bad-size"), cluster(vmSize="Standard_DS3v2"))
    error = answer.json()["error"]
    assert answer.status_code == 400 and error["code"] == "InvalidPropertyValue"
    assert "The specified value Standard_DS3v2" in error["message"] and "Standard_DS3_v2" in error["message"]
    assert error["details"][0]["code"] == "SupportedVMSizes"
    with pytest.raises(HttpResponseError, match="Standard_Huge"):
        shared.compute.begin_create_or_update(AmlCompute(name="bad-size", size="Standard_Huge")).result()
    assert arm.get(at(shared, "bad-size")).status_code == 404


def test_scale_changes_and_size_does_not(workspace: Any, arm: Any) -> None:
    id = at(workspace, "gpu")
    made = arm.put(id, cluster())
    assert made.status_code == 201 and made.headers["Azure-AsyncOperation"]
    inner = made.json()["properties"]["properties"]
    assert (inner["allocationState"], inner["currentNodeCount"], inner["vmSize"]) == ("Steady", 0, "STANDARD_DS3_V2")
    scaled = arm.patch(id, {"properties": {"properties": {"scaleSettings": {"maxNodeCount": 9}}}})
    assert scaled.status_code == 200 and scaled.json()["properties"]["properties"]["scaleSettings"]["maxNodeCount"] == 9
    assert arm.put(id, cluster(vmSize="STANDARD_DS3_V2")).status_code == 200, "Sizes are compared without case."
    got = workspace.compute.get("gpu")
    got.max_instances = 7  # the SDK sends back all that it was told, and whether the port is open or closed
    assert workspace.compute.begin_update(got).result().max_instances == 7
    for change in (
        {"vmSize": "Standard_DS2_v2"},
        {"vmPriority": "LowPriority"},
        {"remoteLoginPortPublicAccess": "Disabled"},
    ):
        answer = arm.put(id, cluster(**change))
        assert answer.status_code == 409 and answer.json()["error"]["code"] == "PropertyChangeNotAllowed"
    kind = {
        "location": "westeurope",
        "properties": {"computeType": "ComputeInstance", "properties": {"vmSize": "Standard_DS3_v2"}},
    }
    assert arm.put(id, kind).status_code == 409


def test_deleting_says_what_becomes_of_the_machine(workspace: Any, arm: Any) -> None:
    id = at(workspace, "gone")
    arm.put(id, cluster())
    assert arm.delete(id).status_code == 400
    assert arm.delete(id, query={"underlyingResourceAction": "Detach"}).status_code == 400
    answer = arm.delete(id, query={"underlyingResourceAction": "Delete"})
    assert answer.status_code == 202 and arm.get(id).status_code == 404
    assert arm.delete(id, query={"underlyingResourceAction": "Delete"}).status_code == 204


@pytest.mark.parametrize(
    "changes",
    [
        {"vmSize": None},
        {"vmSize": 3},
        {"scaleSettings": {}},
        {"scaleSettings": {"minNodeCount": 3, "maxNodeCount": 2}},
        {"scaleSettings": {"minNodeCount": 0, "maxNodeCount": -1}},
        {"scaleSettings": {"maxNodeCount": "4"}},
        {"scaleSettings": {"maxNodeCount": 1, "nodeIdleTimeBeforeScaleDown": "120"}},
        {"vmPriority": "Sometimes"},
        {"osType": "Plan9"},
        {"userAccountCredentials": {}},
        {"noSuchProperty": 1},
    ],
)
def test_a_body_that_is_none(shared: Any, arm: Any, changes: dict[str, Any]) -> None:
    answer = arm.put(at(shared, "bad"), cluster(**changes))
    assert answer.status_code == 400 and answer.json()["error"]["code"], answer.text


@pytest.mark.parametrize("name", ["a", "1abc", "a_b", "abc-", "a" * 33])
def test_a_name_against_the_rule(shared: Any, arm: Any, name: str) -> None:
    answer = arm.put(at(shared, name), cluster())
    assert answer.status_code == 400 and f"'{name}'" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "kind", ["Kubernetes", "VirtualMachine", "Databricks", "SynapseSpark", "HDInsight", "DataFactory"]
)
def test_a_kind_that_is_not_emulated_says_so(shared: Any, arm: Any, kind: str) -> None:
    answer = arm.put(
        at(shared, "other"), {"location": "westeurope", "properties": {"computeType": kind, "properties": {}}}
    )
    assert answer.status_code == 501 and kind in answer.json()["error"]["message"]


def test_what_only_the_other_kind_does(workspace: Any, arm: Any) -> None:
    arm.put(at(workspace, "only"), cluster())
    for action in ("start", "stop", "restart", "enableSso"):
        assert arm.post(f"{at(workspace, 'only')}/{action}", {}).status_code == 400
    assert arm.post(f"{at(workspace, 'only')}/resize", {}).status_code == 501


def test_a_password_is_never_told(workspace: Any, arm: Any) -> None:
    account = {"adminUserName": "me", "adminUserPassword": "pass-word-1", "adminUserSshPublicKey": "ssh-rsa x"}
    made = arm.put(at(workspace, "ssh"), cluster(userAccountCredentials=account))
    assert (
        made.status_code == 201
        and "pass-word-1" not in made.text
        and "pass-word-1" not in arm.get(at(workspace, "ssh")).text
    )
    assert made.json()["properties"]["properties"]["userAccountCredentials"]["adminUserName"] == "me"


def test_a_node_that_a_job_runs_on(workspace: Any, arm: Any) -> None:
    idle = {"minNodeCount": 0, "maxNodeCount": 2, "nodeIdleTimeBeforeScaleDown": "PT1H"}
    assert arm.put(at(workspace, "busy"), cluster(scaleSettings=idle)).status_code == 201
    workspace.environments.create_or_update(Environment(name="plain", version="1", image="python:3.11"))
    job = workspace.jobs.create_or_update(command(command="tail -f /dev/null", environment="plain:1", compute="busy"))

    def states() -> list[tuple[str, str | None]]:
        nodes = arm.post(f"{at(workspace, 'busy')}/listNodes").json()["nodes"]
        return [(one["nodeState"], one["runId"]) for one in nodes]

    until(lambda: states() == [("running", job.name)])
    counts = arm.get(at(workspace, "busy")).json()["properties"]["properties"]
    assert counts["currentNodeCount"] == 1 and counts["nodeStateCounts"]["runningNodeCount"] == 1
    workspace.jobs.begin_cancel(job.name).result()
    until(lambda: states() == [("idle", None)])
