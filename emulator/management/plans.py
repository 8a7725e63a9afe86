"""A plan: what an ARM template with its parameters amounts to, resource by resource, in the order of their dependencies.

Must live here: parameters and their checks, conditions, ids, order. Must not: writing anything, or any resource type.
https://learn.microsoft.com/azure/azure-resource-manager/templates/syntax
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from emulator.errors import NotEmulated, invalid_content, not_found
from emulator.http import Call
from emulator.management import arm
from emulator.management.ids import ResourceId
from emulator.management.templates import Evaluator, invalid

DEPLOYMENT = "Microsoft.Resources/deployments"
# In a resource of a template, what is the deployment's and not the body's.
OURS = (
    "type",
    "name",
    "apiversion",
    "dependson",
    "condition",
    "resources",
    "scope",
    "comments",
    "subscriptionid",
    "resourcegroup",
)
JSON_TYPES: Mapping[str, type] = {
    "string": str,
    "securestring": str,
    "int": int,
    "bool": bool,
    "object": dict,
    "secureobject": dict,
    "array": list,
}
DEPTH = 20  # resources within resources


@dataclass(frozen=True)
class Resource:
    """``after`` holds the ends of the ids that it waits for; ``body`` still has its expressions."""

    id: str
    version: str
    body: Mapping[str, Any]
    after: tuple[str, ...]

    @property
    def nested(self) -> bool:
        """Whether it is a deployment itself."""
        return ResourceId.parse(self.id).type.lower() == DEPLOYMENT.lower()


class Plan:
    """Raises ``InvalidTemplate`` (400) for what is wrong, ``NotEmulated`` (501) for what templates can do beyond this."""

    def __init__(self, call: Call, id: ResourceId, properties: Mapping[str, Any]) -> None:
        template = properties.get("template")
        if not isinstance(template, dict):
            raise invalid_content("The property 'template' must be a JSON object.", target="template")
        if template.get("functions") or isinstance(template.get("resources"), dict):
            raise NotEmulated("functions of one's own and symbolic names in templates")
        self._call, self._id, self.template = call, id, template
        self.evaluator = Evaluator({}, _object(template, "variables"), self._functions())
        self.declared = _object(template, "parameters")
        self.outputs = _object(template, "outputs")
        self._read_parameters(_object(properties, "parameters"))
        self.resources = {one.id.lower(): one for one in self._all(template, None, ("", ""), 0)}

    @property
    def parameters(self) -> Mapping[str, Any]:
        return self.evaluator.parameters

    def secret(self, name: str) -> bool:
        """Whether the parameter's value must not be told."""
        return str(self.declared[name].get("type", "")).lower().startswith("secure")

    # Parameters

    def _read_parameters(self, sent: Mapping[str, Any]) -> None:
        names = {name.lower() for name in self.declared}
        extra = [name for name in sent if name.lower() not in names]
        if extra:
            raise invalid(f"The template parameters '{', '.join(extra)}' in the parameters file are not valid.")
        given = {name.lower(): value for name, value in sent.items()}
        values: dict[str, Any] = {}
        self.evaluator.parameters = values
        for name in self.declared:
            rule = _object(self.declared, name)
            values[name] = self._parameter(name, rule, given.get(name.lower()))

    def _parameter(self, name: str, rule: Mapping[str, Any], given: Any) -> Any:
        if given is None:
            if "defaultValue" not in rule:
                raise invalid(f"The value for the template parameter '{name}' is not provided.")
            value = self.evaluator.value(rule["defaultValue"])
        elif not isinstance(given, dict) or not {"value", "reference"} & given.keys():
            raise invalid(f"The template parameter '{name}' must be given as an object with a 'value'.")
        elif "reference" in given:
            raise NotEmulated("template parameters from a key vault")
        else:
            value = given["value"]
        wanted = JSON_TYPES.get(str(rule.get("type", "")).lower())
        if wanted is None:
            raise invalid(f"The template parameter '{name}' has the type '{rule.get('type')}', which is none.")
        if value is not None and (not isinstance(value, wanted) or (wanted is int and isinstance(value, bool))):
            raise invalid(
                f"The provided value for the template parameter '{name}' is not of the type '{rule['type']}'."
            )
        allowed = rule.get("allowedValues")
        if isinstance(allowed, list) and value is not None and value not in allowed:
            raise invalid(
                f"The provided value '{value}' for the template parameter '{name}' is not valid. The value is not part of the "
                f"allowed value(s): '{','.join(map(str, allowed))}'."
            )
        size = len(value) if isinstance(value, (str, list)) else None
        least, most = rule.get("minLength"), rule.get("maxLength")
        if size is not None and ((isinstance(least, int) and size < least) or (isinstance(most, int) and size > most)):
            raise invalid(f"The value of the template parameter '{name}' has the length {size}, not {least} to {most}.")
        return value

    # Functions that need the cloud

    def _functions(self) -> dict[str, Callable[..., Any]]:
        store, tenant = self._call.cloud.store, self._call.cloud.identity.tenant
        group = arm.group(store, self._id.subscription, self._id.group)
        scope = f"/subscriptions/{self._id.subscription}"
        return {
            "deployment": lambda: {"name": self._id.name, "properties": {"template": self.template}},
            "reference": self._reference,
            "resourcegroup": lambda: {
                "id": group.id,
                "name": group.name,
                "location": group.body["location"],
                "tags": group.body.get("tags") or {},
            },
            "resourceid": self._resource_id,
            "subscription": lambda: {"id": scope, "subscriptionId": self._id.subscription, "tenantId": tenant},
            "subscriptionresourceid": lambda *parts: _id(scope, *parts),
            "tenant": lambda: {"tenantId": tenant},
        }

    def _resource_id(self, *parts: str) -> str:
        """``resourceId([subscription], [group], type, name…)``: the first part with a slash is the type."""
        at = next((index for index, part in enumerate(parts) if "/" in part), None)
        if at is None or at > 2:
            raise ValueError("resourceId takes [subscription], [group], a type and its names")
        subscription = parts[0] if at == 2 else self._id.subscription
        group = parts[at - 1] if at else self._id.group
        return _id(f"/subscriptions/{subscription}/resourceGroups/{group}", *parts[at:])

    def _reference(self, target: str, version: str = "", whole: str = "") -> Any:
        """The properties of a resource as they are once it is there; ``'Full'`` gives all of it."""
        ends = f"/{target.lower()}"
        id = target if target.startswith("/") else next((one for one in self.resources if one.endswith(ends)), target)
        document = self._call.cloud.store.get(id)
        if document is None:
            raise not_found(id)
        rendered = arm.render(self._call.cloud, document)
        return rendered if whole.lower() == "full" else rendered["properties"]

    # Resources

    def _all(self, holder: Mapping[str, Any], parent: str | None, outer: tuple[str, str], depth: int) -> list[Resource]:
        if depth > DEPTH:
            raise invalid("The template's resources are nested too deeply.")
        resources = holder.get("resources") or []
        if not isinstance(resources, list):
            raise invalid("The template's 'resources' must be a list.")
        found: list[Resource] = []
        for one in resources:
            if (
                not isinstance(one, dict)
                or not isinstance(one.get("type"), str)
                or not isinstance(one.get("name"), str)
            ):
                raise invalid("Each resource of the template must have the texts 'type', 'name' and 'apiVersion'.")
            if "copy" in one or one.get("existing"):
                raise NotEmulated("copy loops and existing resources in templates")
            condition = self.evaluator.value(one.get("condition", True))
            if condition is True or str(condition).lower() == "true":
                found += self._one(one, parent, outer, depth)
        return found

    def _one(self, one: Mapping[str, Any], parent: str | None, outer: tuple[str, str], depth: int) -> list[Resource]:
        type, name = one["type"], str(self.evaluator.value(one["name"]))
        if outer[0]:  # a child within its parent has the last segments of both
            type = type if type.lower().startswith(f"{outer[0].lower()}/") else f"{outer[0]}/{type}"
            name = name if "/" in name else f"{outer[1]}/{name}"
        if len(type.split("/")) != len(name.split("/")) + 1:
            raise invalid(f"The template resource '{name}' of type '{type}' has incorrect segment lengths.")
        id = _id(self._scope(one), type, *name.split("/"))
        waits = self.evaluator.value(one.get("dependsOn") or [])
        if not isinstance(waits, list) or not all(isinstance(text, str) for text in waits):
            raise invalid(f"'dependsOn' of the template resource '{name}' must be a list of texts.")
        after = [text.lower() if text.startswith("/") else f"/{text.lower()}" for text in waits]
        resource = Resource(
            id,
            str(self.evaluator.value(one.get("apiVersion", ""))),
            {key: value for key, value in one.items() if key.lower() not in OURS},
            (*after, *([parent.lower()] if parent else [])),
        )
        return [resource, *self._all(one, id, (type, name), depth + 1)]

    def _scope(self, one: Mapping[str, Any]) -> str:
        subscription = f"/subscriptions/{self._id.subscription}"
        if "scope" in one:
            scope = str(self.evaluator.value(one["scope"]))
            within = f"{subscription}/resourceGroups/{self._id.group}/providers/{scope}"
            return scope.rstrip("/") if scope.startswith("/") else within
        group = self.evaluator.value(one["resourceGroup"]) if "resourceGroup" in one else self._id.group
        return f"{subscription}/resourceGroups/{group}"

    def ordered(self) -> list[Resource]:
        """Each after those that it depends on; a dependency that is not part of the plan does not count."""
        left, order = dict(self.resources), []
        while left:
            ready = [one for key, one in left.items() if not _waits(one, key, left)]
            if not ready:
                raise invalid("Circular dependency detected among the resources of the template.")
            order += ready
            for one in ready:
                del left[one.id.lower()]
        return order

    def body(self, resource: Resource) -> dict[str, Any]:
        """What is sent for the resource, now that those before it are there."""
        if not resource.nested:
            evaluated: dict[str, Any] = self.evaluator.value(dict(resource.body))
            return evaluated
        properties = dict(_object(resource.body, "properties"))
        options = _object(properties, "expressionEvaluationOptions")
        if (
            str(options.get("scope", "outer")).lower() == "outer"
        ):  # the inner template speaks of the outer one's parameters
            properties["template"] = self.evaluator.value(properties.get("template"))
        properties["parameters"] = self.evaluator.value(properties.get("parameters") or {})
        return {"properties": properties}


def _waits(one: Resource, key: str, left: Mapping[str, Resource]) -> bool:
    return any(other != key and other.endswith(wanted) for wanted in one.after for other in left)


def _object(holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = holder.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid(f"'{name}' must be a JSON object.")
    return value


def _id(scope: str, *parts: str) -> str:
    """A type and its names below ``scope`` as an id."""
    namespace, *types = parts[0].split("/")
    names = [piece for part in parts[1:] for piece in part.split("/")]
    if len(types) != len(names) or not all((namespace, *types)):
        raise ValueError(f"'{parts[0]}' needs {len(types)} names; {len(names)} were given")
    return f"{scope}/providers/{namespace}" + "".join(
        f"/{type}/{name}" for type, name in zip(types, names, strict=True)
    )
