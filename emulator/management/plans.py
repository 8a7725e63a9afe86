"""A plan: what an ARM template with its parameters amounts to, resource by resource, in the order of their dependencies.

Must live here: parameters and their checks, conditions, ids, order. Must not: writing anything, or any resource type.
https://learn.microsoft.com/azure/azure-resource-manager/templates/syntax
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from emulator.errors import NotEmulated, invalid_content, not_found
from emulator.http import Call
from emulator.management import arm, clouds, envelope
from emulator.management.expressions import invalid
from emulator.management.ids import ResourceId
from emulator.management.templates import Evaluator, Loop, unrolled

DEPLOYMENT = "Microsoft.Resources/deployments"
# In a resource of a template, what is the deployment's and not the body's.
OURS = frozenset(
    "type name apiversion dependson condition resources scope comments subscriptionid resourcegroup copy existing".split()
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
Loops = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Resource:
    """``after`` holds the ends of the ids that it waits for, or the names that its template has for them; ``body`` still has its
    expressions, which ``loops`` belong to."""

    id: str
    version: str
    body: Mapping[str, Any]
    after: tuple[str, ...]
    loops: Loops = ()

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
        if template.get("functions"):
            raise NotEmulated("functions of one's own in templates")
        self._call, self._id, self.template = call, id, template
        self._named: dict[str, list[Resource]] = {}  # by symbolic name, and by the name of a loop
        self.evaluator = Evaluator({}, unrolled(_object(template, "variables")), self._functions())
        self.declared = {name: self._rule(name) for name in _object(template, "parameters")}
        self.outputs = _object(template, "outputs")
        self._read_parameters(_object(properties, "parameters"))
        self.resources = {one.id.lower(): one for one in self._all(template, None, ("", ""), (), 0)}

    @property
    def parameters(self) -> Mapping[str, Any]:
        return self.evaluator.parameters

    def secret(self, name: str) -> bool:
        """Whether the parameter's value must not be told."""
        return str(self.declared[name].get("type", "")).lower().startswith("secure")

    def output(self, output: Mapping[str, Any]) -> Any:
        """The value of one of ``outputs``."""
        return self.evaluator.value(Loop(output["copy"]) if "copy" in output else output.get("value"))

    # Parameters

    def _rule(self, name: str) -> Mapping[str, Any]:
        """A parameter's declaration; that of a type of the template's own is what ``definitions`` says."""
        rule = _object(_object(self.template, "parameters"), name)
        own = str(rule.get("$ref") or "").rpartition("/")[2]
        return {**_object(_object(self.template, "definitions"), own), **rule} if own else rule

    def _read_parameters(self, sent: Mapping[str, Any]) -> None:
        names = {name.lower() for name in self.declared}
        extra = [name for name in sent if name.lower() not in names]
        if extra:
            raise invalid(f"The template parameters '{', '.join(extra)}' in the parameters file are not valid.")
        given = {name.lower(): value for name, value in sent.items()}
        values: dict[str, Any] = {}
        self.evaluator.parameters = values
        for name, rule in self.declared.items():
            values[name] = self._parameter(name, rule, given.get(name.lower()))

    def _parameter(self, name: str, rule: Mapping[str, Any], given: Any) -> Any:
        if given is None:
            if "defaultValue" not in rule and not rule.get("nullable"):
                raise invalid(f"The value for the template parameter '{name}' is not provided.")
            value = self.evaluator.value(rule.get("defaultValue"))
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
        least, most = rule.get("minValue"), rule.get("maxValue")
        if isinstance(value, int) and (
            (isinstance(least, int) and value < least) or (isinstance(most, int) and value > most)
        ):
            raise invalid(f"The value {value} of the template parameter '{name}' is not from {least} to {most}.")
        return value

    # Functions that need the cloud

    def _functions(self) -> dict[str, Callable[..., Any]]:
        store, tenant = self._call.cloud.store, self._call.cloud.identity.tenant
        group = arm.group(store, self._id.subscription, self._id.group)
        scope = f"/subscriptions/{self._id.subscription}"
        return {
            "deployment": lambda: {"name": self._id.name, "properties": {"template": self.template}},
            "environment": lambda: clouds.PUBLIC,
            "extensionresourceid": _id,
            "list": self._list,
            "reference": self._reference,
            "resourcegroup": lambda: {
                "id": group.id,
                "name": group.name,
                "location": group.body["location"],
                "tags": group.body.get("tags") or {},
            },
            "resourceid": self._resource_id,
            "resourceinfo": self._resource_info,
            "subscription": lambda: {"id": scope, "subscriptionId": self._id.subscription, "tenantId": tenant},
            "subscriptionresourceid": lambda *parts: _id(scope, *parts),
            "tenant": lambda: {"tenantId": tenant},
            "tenantresourceid": lambda *parts: _id("", *parts),
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
        id = self._found(target)
        document = self._call.cloud.store.get(id)
        if document is None:
            raise not_found(id)
        rendered = envelope.render(self._call.cloud, document)
        return rendered if whole.lower() == "full" else rendered["properties"]

    def _list(self, function: str, target: str, version: str = "", body: Any = None) -> Any:
        """``listKeys`` and its kin: what a POST of the action answers. Those that there are answer at once, without waiting for
        anything, and so can be asked from within an expression."""
        request = replace(
            self._call,
            method="POST",
            path=f"{self._found(target)}/{function}",
            params={},
            query={"api-version": version},
            headers={},
            body=b"" if body is None else json.dumps(body).encode(),
        )
        answer = arm.dispatch(request)
        try:
            answer.send(None)
        except StopIteration as done:
            return done.value.body
        finally:
            answer.close()
        raise NotEmulated(f"the template function '{function}' of '{target}'")

    def _found(self, target: str) -> str:
        """The id of what is named in full, by the end of its id, or by its symbolic name."""
        if target.startswith("/"):
            return target
        if self._named.get(target.lower()):
            return self._named[target.lower()][0].id
        return next((one for one in self.resources if one.endswith(f"/{target.lower()}")), target)

    def _resource_info(self, symbol: str) -> dict[str, Any]:
        if not self._named.get(symbol.lower()):
            raise ValueError(f"the template has no resource '{symbol}'")
        resource = self._named[symbol.lower()][0]
        id = ResourceId.parse(resource.id)
        return {"id": resource.id, "name": "/".join(id.names), "type": id.type, "apiVersion": resource.version}

    # Resources

    def _all(
        self, holder: Mapping[str, Any], parent: str | None, outer: tuple[str, str], loops: Loops, depth: int
    ) -> list[Resource]:
        """The resources of a template or of a resource: a list, or, with symbolic names, an object."""
        if depth > DEPTH:
            raise invalid("The template's resources are nested too deeply.")
        resources = holder.get("resources") or []
        if not isinstance(resources, (list, dict)):
            raise invalid("The template's 'resources' must be a list, or an object by symbolic names.")
        found: list[Resource] = []
        for symbol, one in resources.items() if isinstance(resources, dict) else (("", one) for one in resources):
            if (
                not isinstance(one, dict)
                or not isinstance(one.get("type"), str)
                or not isinstance(one.get("name"), str)
            ):
                raise invalid("Each resource of the template must have the texts 'type', 'name' and 'apiVersion'.")
            for more in self._copies(one, symbol):
                condition = self.evaluator.looped((*loops, *more), one.get("condition", True))
                if condition is True or str(condition).lower() == "true":
                    found += self._one(one, symbol, parent, outer, (*loops, *more), depth)
        return found

    def _copies(self, one: Mapping[str, Any], symbol: str) -> list[Loops]:
        """The loop's name and index of each copy; of a resource without ``copy`` one, with neither."""
        if "copy" not in one:
            return [()]
        name = str(_object(one, "copy").get("name") or symbol)
        self._named.setdefault(name.lower(), [])
        return [((name, index),) for index in self.evaluator.count(one["copy"])]

    def _one(
        self,
        one: Mapping[str, Any],
        symbol: str,
        parent: str | None,
        outer: tuple[str, str],
        loops: Loops,
        depth: int,
    ) -> list[Resource]:
        def value(thing: Any) -> Any:
            return self.evaluator.looped(loops, thing)

        type, name = one["type"], str(value(one["name"]))
        if outer[0]:  # a child within its parent has the last segments of both
            type = type if type.lower().startswith(f"{outer[0].lower()}/") else f"{outer[0]}/{type}"
            name = name if "/" in name else f"{outer[1]}/{name}"
        if len(type.split("/")) != len(name.split("/")) + 1:
            raise invalid(f"The template resource '{name}' of type '{type}' has incorrect segment lengths.")
        id = _id(self._scope(one, value), type, *name.split("/"))
        waits = value(one.get("dependsOn") or [])
        if not isinstance(waits, list) or not all(isinstance(text, str) for text in waits):
            raise invalid(f"'dependsOn' of the template resource '{name}' must be a list of texts.")
        after = [text.lower() if text.startswith("/") else f"/{text.lower()}" for text in waits]
        resource = Resource(
            id,
            str(value(one.get("apiVersion", ""))),
            {key: value for key, value in one.items() if key.lower() not in OURS},
            (*after, *([parent.lower()] if parent else [])),
            loops,
        )
        for known in {
            symbol or name,
            *(f"{symbol or loop}[{index}]" for loop, index in loops),
            *(loop for loop, _ in loops),
        }:
            self._named.setdefault(known.lower(), []).append(resource)
        inner = self._all(one, id, (type, name), loops, depth + 1)
        return inner if one.get("existing") else [resource, *inner]

    def _scope(self, one: Mapping[str, Any], value: Callable[[Any], Any]) -> str:
        subscription = f"/subscriptions/{self._id.subscription}"
        if "scope" in one:
            scope = str(value(one["scope"]))
            within = f"{subscription}/resourceGroups/{self._id.group}/providers/{scope}"
            return scope.rstrip("/") if scope.startswith("/") else within
        group = value(one["resourceGroup"]) if "resourceGroup" in one else self._id.group
        return f"{subscription}/resourceGroups/{group}"

    def ordered(self) -> list[Resource]:
        """Each after those that it depends on; a dependency that is not part of the plan does not count."""
        left, order = dict(self.resources), []
        while left:
            ready = [one for key, one in left.items() if not self._waits(one, key, left)]
            if not ready:
                raise invalid("Circular dependency detected among the resources of the template.")
            order += ready
            for one in ready:
                del left[one.id.lower()]
        return order

    def _waits(self, one: Resource, key: str, left: Mapping[str, Resource]) -> bool:
        for wanted in one.after:
            named = self._named.get(wanted[1:])
            ends = [wanted] if named is None else [other.id.lower() for other in named]
            if any(other != key and other.endswith(end) for end in ends for other in left):
                return True
        return False

    def body(self, resource: Resource) -> dict[str, Any]:
        """What is sent for the resource, now that those before it are there."""

        def value(thing: Any) -> Any:
            return self.evaluator.looped(resource.loops, thing)

        if not resource.nested:
            evaluated: dict[str, Any] = value(dict(resource.body))
            return evaluated
        properties = dict(_object(resource.body, "properties"))
        options = _object(properties, "expressionEvaluationOptions")
        if (
            str(options.get("scope", "outer")).lower() == "outer"
        ):  # the inner template speaks of the outer one's parameters
            properties["template"] = value(properties.get("template"))
        properties["parameters"] = value(properties.get("parameters") or {})
        return {"properties": properties}


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
