#!/usr/bin/env -S python3 -IS
"""Stands in for az with its extension azure-devops, which no package index has: keeps one project in the file AZ_PROJECT.

It knows the commands that set a project up, requires of each the options that the extension requires, and refuses any other.
https://learn.microsoft.com/cli/azure/devops, …/repos, …/pipelines
"""

import json
import os
import sys
from pathlib import Path

STATE = Path(os.environ["AZ_PROJECT"])
REQUIRED = {
    "repos list": "",
    "repos ref list": "",
    "repos ref create": "name object-id",
    "repos policy list": "",
    "repos policy build create": "blocking branch build-definition-id display-name enabled manual-queue-only "
    "queue-on-source-update-only repository-id valid-duration",
    "repos policy approver-count create": "allow-downvotes blocking branch creator-vote-counts enabled "
    "minimum-approver-count repository-id reset-on-source-push",
    "devops project show": "project",
    "devops service-endpoint list": "",
    "devops service-endpoint create": "service-endpoint-configuration",
    "devops invoke": "area resource",
    "pipelines list": "",
    "pipelines create": "name",
}


def main(words: list[str]) -> object:
    first = next(index for index, word in enumerate(words) if word.startswith("--"))
    command, options = " ".join(words[:first]), {}
    name = ""
    for word in words[first:]:
        if word.startswith("--"):
            name = word[2:]
            options[name] = []
        else:
            options[name].append(word)
    missing = [one for one in REQUIRED[command].split() + ["organization"] if not options.get(one)]
    if missing:
        sys.exit(f"the following arguments are required: {missing}")
    project = json.loads(STATE.read_text())
    answer = act(
        project, command, {name: values[0] if len(values) == 1 else values for name, values in options.items()}
    )
    STATE.write_text(json.dumps(project))
    return answer


def act(project: dict, command: str, options: dict) -> object:
    def add(kind: str, thing: dict) -> dict:
        thing = {"id": f"{kind}-{len(project[kind])}", **thing}
        project[kind].append(thing)
        return thing

    if command == "repos list":
        return project["repositories"]
    if command == "repos ref list":
        return project["refs"]
    if command == "repos ref create":
        return add("refs", {"name": f"refs/{options['name']}", "objectId": options["object-id"]})
    if command == "repos policy list":
        return [one for one in project["policies"] if one["branch"] == options["branch"]]
    if command.startswith("repos policy"):
        kind = "Build" if " build " in command else "Minimum number of reviewers"
        return add("policies", {"branch": options["branch"], "type": {"displayName": kind}, "options": options})
    if command == "devops project show":
        return {"id": "project-id", "name": options["project"]}
    if command == "devops service-endpoint list":
        return project["endpoints"]
    if command == "devops service-endpoint create":
        made = json.loads(Path(options["service-endpoint-configuration"]).read_text())
        made["authorization"]["parameters"]["workloadIdentityFederationSubject"] = f"sc://org/project/{made['name']}"
        return add("endpoints", made)
    if command == "pipelines list":
        return project["pipelines"]
    if command == "pipelines create":
        return add("pipelines", {"name": options["name"], "options": options})
    if options["resource"] == "pipelinePermissions":
        kind, id = (one.partition("=")[2] for one in options["route-parameters"][1:])
        permitted = project["permissions"].setdefault(f"{kind} {id}", [])
        if options.get("http-method") == "PATCH":
            permitted += json.loads(Path(options["in-file"]).read_text())["pipelines"]
        return {"pipelines": permitted}
    kind = {"environments": "environments", "configurations": "checks"}[options["resource"]]
    if "in-file" in options:
        return add(kind, json.loads(Path(options["in-file"]).read_text()))
    query = dict(one.split("=") for one in options.get("query-parameters", []))
    found = project[kind]
    if kind == "checks":
        found = [one for one in found if one["resource"] == {"type": query["resourceType"], "id": query["resourceId"]}]
    return {"value": found}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:-2])))  # the last are --output json
