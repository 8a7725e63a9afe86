"""Sets up an Azure DevOps project for these pipelines; what is there already is left as it is, so it can be run again.

    python devops_pipelines/setup_project.py --organization https://dev.azure.com/ORG --project NAME \\
        --tenant ID --client dev=ID --client prod=ID --subscription dev=ID --subscription prod=ID [--dry-run]

Needs az, signed in, with its extension azure-devops (az extension add --name azure-devops), the repository already pushed to the
project, and for each stack an application (or user-assigned identity) in Entra with its roles in Azure: its client id is what is
asked for. --dry-run prints each command that would change something, and changes nothing.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
MAIN = "master"
BRANCHES = ("pre-development", "development", MAIN)
PIPELINES = ("training-pipeline-ci", "infrastructure-cd", "infrastructure-drift", "training-pipeline-cd", "rollback")
STACKS = {"dev": "development", "prod": MAIN}
REVIEWERS = {"development": 1, MAIN: 2}
BUILD = "training-pipeline-ci"
DEPLOYING = ("infrastructure-cd", "training-pipeline-cd", "rollback")  # with jobs in a stack's environment
API = "7.1-preview"
# https://learn.microsoft.com/rest/api/azure/devops/approvalsandchecks/check-configurations/add
APPROVAL = {"id": "8c6f20a7-a545-4486-9777-f762fafe0d4d", "name": "Approval"}
LOCK = {"id": "2ef31ad6-baa0-403a-8b45-2cbc9b4e5563", "name": "ExclusiveLock"}
TASK_CHECK = {"id": "fe1de3ee-a436-41b4-bb20-f6eb4cb879a7", "name": "Task Check"}
BRANCH_CONTROL = {"id": "86b05a0c-73e6-4f7d-b3cf-e38f3b39a75b", "name": "evaluatebranchProtection", "version": "0.0.1"}
UNKNOWN = "<what the command before made>"  # an id, in a dry run


class Az:
    """``az``, for one project. ``asked`` reads; ``change`` is printed, and run where this is no dry run."""

    def __init__(self, organization: str, project: str, *, dry_run: bool) -> None:
        self.project, self.dry_run = project, dry_run
        self._place = ["--organization", organization]
        self._answers: dict[tuple[str, ...], Any] = {}

    def asked(self, *words: str, project: bool = True) -> Any:
        """The same is asked once: nothing that is made here is looked for again."""
        if words not in self._answers:
            self._answers[words] = self._run([*words, *self._place, *(["--project", self.project] if project else [])])
        return self._answers[words]

    def change(self, *words: str, project: bool = True, body: Any = None) -> Any:
        """``body`` is given as a file, by the words' last option."""
        line = [*words, *self._place, *(["--project", self.project] if project else [])]
        shown = shlex.join(["az", *line]) + (f" <<< {shlex.quote(json.dumps(body))}" if body is not None else "")
        print(shown)
        if self.dry_run:
            return {"id": UNKNOWN, "objectId": UNKNOWN}
        if body is None:
            return self._run(line)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "body.json")
            file.write_text(json.dumps(body), "utf-8")
            at = len(words)
            return self._run([*line[:at], str(file), *line[at:]])

    def invoke(
        self,
        area: str,
        resource: str,
        route: Sequence[str] = (),
        *,
        body: Any = None,
        query: Sequence[str] = (),
        method: str = "POST",
    ) -> Any:
        """Azure DevOps' REST interface, for what az has no command of its own for; ``method`` is a body's."""
        words = ["devops", "invoke", "--area", area, "--resource", resource, "--api-version", API]
        words += ["--route-parameters", f"project={self.project}", *route]
        words += ["--query-parameters", *query] if query else []
        if body is None:
            return self.asked(*words, project=False)
        return self.change(*words, "--http-method", method, "--in-file", project=False, body=body)

    def _run(self, line: Sequence[str]) -> Any:
        try:
            ended = subprocess.run(["az", *line, "--output", "json"], capture_output=True, text=True)
        except FileNotFoundError:
            raise SystemExit(
                "setup: there is no 'az' on PATH: https://learn.microsoft.com/cli/azure/install-azure-cli"
            ) from None
        if ended.returncode:
            raise SystemExit(f"setup: {shlex.join(['az', *line])}\n{ended.stderr.strip()}")
        return json.loads(ended.stdout) if ended.stdout.strip() else None


def main(arguments: Sequence[str]) -> None:
    given = _parsed(arguments)
    az = Az(given.organization, given.project, dry_run=given.dry_run)
    repository = given.repository or given.project
    found = {one["name"]: one for one in az.asked("repos", "list")}
    if repository not in found:
        raise SystemExit(
            f"setup: project '{given.project}' has no repository '{repository}': push it there first, or --repository NAME"
        )
    _branches(az, repository)
    pipelines = _pipelines(az, repository)
    for stack in STACKS:
        for kind, id in (("endpoint", _connection(az, stack, given)), ("environment", _environment(az, stack))):
            _checks(az, stack, kind, id, given.approver)
            _permitted(az, stack, kind, id, {name: made["id"] for name, made in pipelines.items()})
    _policies(az, str(found[repository]["id"]), str(pipelines[BUILD]["id"]))


def _branches(az: Az, repository: str) -> None:
    refs = az.asked("repos", "ref", "list", "--repository", repository, "--filter", "heads")
    heads = {one["name"].removeprefix("refs/heads/"): one["objectId"] for one in refs}
    if MAIN not in heads:
        raise SystemExit(f"setup: repository '{repository}' has no branch '{MAIN}': git push origin HEAD:{MAIN}")
    for branch in BRANCHES:
        if branch not in heads:
            az.change(
                "repos",
                "ref",
                "create",
                "--name",
                f"heads/{branch}",
                "--object-id",
                heads[MAIN],
                "--repository",
                repository,
            )


def _connection(az: Az, stack: str, given: argparse.Namespace) -> str:
    """The service connection, by workload identity: there is no secret. Its id."""
    name = f"azure-ml-{stack}"
    for one in az.asked("devops", "service-endpoint", "list"):
        if one["name"] == name:
            return str(one["id"])
    project = az.asked("devops", "project", "show", "--project", az.project, project=False)
    body = {
        "name": name,
        "type": "azurerm",
        "url": "https://management.azure.com/",
        "authorization": {
            "scheme": "WorkloadIdentityFederation",
            "parameters": {"tenantid": given.tenant, "serviceprincipalid": given.client[stack]},
        },
        "data": {
            "environment": "AzureCloud",
            "scopeLevel": "Subscription",
            "creationMode": "Manual",
            "subscriptionId": given.subscription[stack],
            "subscriptionName": given.subscription[stack],
        },
        "serviceEndpointProjectReferences": [
            {"name": name, "projectReference": {"id": project["id"], "name": az.project}}
        ],
    }
    made = az.change("devops", "service-endpoint", "create", "--service-endpoint-configuration", body=body)
    told = made.get("authorization", {}).get("parameters", {})
    trust = {
        "name": name,
        "issuer": told.get("workloadIdentityFederationIssuer", UNKNOWN),
        "subject": told.get("workloadIdentityFederationSubject", UNKNOWN),
        "audiences": ["api://AzureADTokenExchange"],
    }
    words = ["az", "ad", "app", "federated-credential", "create", "--id", given.client[stack]]
    print(
        f"# next, so that the connection may sign in as the application:\n{shlex.join([*words, '--parameters', json.dumps(trust)])}"
    )
    return str(made["id"])


def _environment(az: Az, stack: str) -> str:
    name = f"azure-ml-{stack}"
    for one in az.invoke("distributedtask", "environments")["value"]:
        if one["name"] == name:
            return str(one["id"])
    made = az.invoke("distributedtask", "environments", body={"name": name, "description": f"The stack {stack}"})
    return str(made["id"])


def _checks(az: Az, stack: str, kind: str, id: str, approver: str | None) -> None:
    """One run at a time in an environment. prod's connection and environment are for its branch alone, and what reaches its
    environment waits for an approval, if somebody is named for that."""
    query = (f"resourceType={kind}", f"resourceId={id}", "$expand=settings")
    there = [] if id == UNKNOWN else az.invoke("PipelinesChecks", "configurations", query=query)["value"]
    types = {one["type"]["id"].lower() for one in there}
    wanted: list[tuple[Mapping[str, str], Mapping[str, Any]]] = []
    if kind == "environment":
        wanted.append((LOCK, {}))
    if stack == "prod":
        inputs = {"allowedBranches": f"refs/heads/{STACKS[stack]}", "ensureProtectionOfBranch": "true"}
        wanted.append(
            (TASK_CHECK, {"displayName": "Branch control", "definitionRef": BRANCH_CONTROL, "inputs": inputs})
        )
    if stack == "prod" and kind == "environment" and approver:
        who = {"approvers": [{"id": approver}], "minRequiredApprovers": 1, "requesterCannotBeApprover": True}
        wanted.append((APPROVAL, who))
    for type, settings in wanted:
        if type["id"] not in types:
            body = {"type": type, "settings": settings, "timeout": 43200, "resource": {"type": kind, "id": id}}
            az.invoke("PipelinesChecks", "configurations", body=body)


def _permitted(az: Az, stack: str, kind: str, id: str, pipelines: Mapping[str, Any]) -> None:
    """Each pipeline may use what it works with, without somebody being asked in its first run; what builds pull requests may not
    use anything of prod's. https://learn.microsoft.com/rest/api/azure/devops/approvalsandchecks/pipeline-permissions
    """
    users = [name for name in PIPELINES if stack != "prod" or name != BUILD] if kind == "endpoint" else DEPLOYING
    route = (f"resourceType={kind}", f"resourceId={id}")
    there = {} if id == UNKNOWN else az.invoke("pipelinePermissions", "pipelinePermissions", route)
    permitted = {one["id"] for one in there.get("pipelines", ()) if one["authorized"]}
    new = [{"id": pipelines[name], "authorized": True} for name in users if pipelines[name] not in permitted]
    if new:
        az.invoke("pipelinePermissions", "pipelinePermissions", route, body={"pipelines": new}, method="PATCH")


def _pipelines(az: Az, repository: str) -> dict[str, Any]:
    found = {one["name"]: one for one in az.asked("pipelines", "list")}
    for name in PIPELINES:
        if name not in found:
            path = f"{FOLDER.name}/{name}.yaml"
            where = ("--repository", repository, "--repository-type", "tfsgit", "--branch", MAIN, "--yml-path", path)
            found[name] = az.change("pipelines", "create", "--name", name, *where, "--skip-first-run", "true")
    return found


def _policies(az: Az, repository: str, build: str) -> None:
    """What is merged into development or master was built and reviewed. A branch with a policy takes no pushes any more, so
    pre-development has none: https://learn.microsoft.com/azure/devops/repos/git/branch-policies
    """
    for branch, reviewers in REVIEWERS.items():
        on = ("--repository-id", repository, "--branch", branch)
        types = {one["type"]["displayName"] for one in az.asked("repos", "policy", "list", *on)}
        always = (*on, "--blocking", "true", "--enabled", "true")
        if "Build" not in types:
            names = ("--build-definition-id", build, "--display-name", BUILD, "--manual-queue-only", "false")
            when = ("--queue-on-source-update-only", "true", "--valid-duration", "720")
            az.change("repos", "policy", "build", "create", *always, *names, *when)
        if "Minimum number of reviewers" not in types:
            votes = ("--minimum-approver-count", str(reviewers), "--creator-vote-counts", "false")
            more = ("--allow-downvotes", "false", "--reset-on-source-push", "true")
            az.change("repos", "policy", "approver-count", "create", *always, *votes, *more)


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0], formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--organization", required=True, metavar="URL")
    parser.add_argument("--project", required=True, metavar="NAME")
    parser.add_argument("--repository", metavar="NAME", help="the project's own by default")
    parser.add_argument("--tenant", required=True, metavar="ID")
    parser.add_argument(
        "--client", required=True, action="append", metavar="STACK=ID", help="the application of each stack"
    )
    parser.add_argument("--subscription", required=True, action="append", metavar="STACK=ID")
    parser.add_argument(
        "--approver", metavar="ID", help="user or group of Azure DevOps that approves what reaches prod"
    )
    parser.add_argument("--dry-run", action="store_true")
    given = parser.parse_args(arguments)
    for option in ("client", "subscription"):
        pairs = dict(one.partition("=")[::2] for one in getattr(given, option))
        missing = [stack for stack in STACKS if not pairs.get(stack)]
        if missing or set(pairs) - set(STACKS):
            parser.error(
                f"--{option} is given once for each of {', '.join(STACKS)}: --{option} {(missing or ['dev'])[0]}=ID"
            )
        setattr(given, option, pairs)
    return given


if __name__ == "__main__":
    main(sys.argv[1:])
