"""The expander does what Azure's documentation of templates, expressions and conditions says; what it does not know it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.devops.expander import expand
from tests.devops.expressions import Named, Unknown, evaluate
from tests.devops.run import FAILED, Ended, Run, Step

NAMES = {
    "parameters": {"list": ["a", "b"], "flag": True},
    "variables": Named("variable", {"Build.Reason": "Manual", "n": "7"}),
}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("eq(variables['build.reason'], 'MANUAL')", True),
        ("and(ne(variables.n, 8), in('b', 'a', 'B'))", True),
        ("or(false, not(startsWith('refs/heads/x', 'refs/heads/')))", False),
        ("eq(parameters.flag, 'true')", True),
        ("join(' ', parameters.list)", "a b"),
        ("format('{0} is ''{1}''', variables.n, parameters.list[1])", "7 is 'b'"),
        ("coalesce('', variables.n)", "7"),
        ("length(split('a/b/c', '/'))", 3),
        ("iif(containsValue(parameters.list, 'A'), lower('Y'), 'n')", "y"),
    ],
)
def test_expressions_are_evaluated(expression: str, value: Any) -> None:
    assert evaluate(expression, NAMES) == value


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("variables.nobody", "nobody"),
        ("hashFiles('x')", "calls 'hashFiles'"),
        ("resources.x", "reads 'resources'"),
        ("eq(1, 2) 3", "has '3' where it should end"),
        ("parameters.list[7]", "reads '7'"),
        ("eq(1", "its end"),
        ("a + b", "cannot be read at '+ b'"),
    ],
)
def test_an_expression_that_is_not_known_is_refused_by_name(expression: str, said: str) -> None:
    with pytest.raises(Unknown, match=said.replace("+", r"\+")):
        evaluate(expression, {**NAMES, "a": 1})


TEMPLATES = {
    "main.yaml": """
parameters:
  - {name: places, type: object, default: {home: 1, work: 2}}
  - {name: also, type: boolean, default: false}
variables:
  - {name: who, value: me}
  - template: more.yaml
stages:
  - ${{ each place in parameters.places }}:
      - stage: ${{ place.key }}
        jobs:
          - job: one
            variables: {what: "${{ variables.who }}"}
            steps:
              - template: steps.yaml
                parameters:
                  number: ${{ place.value }}
                  more: {B: "2"}
                  ${{ if parameters.also }}:
                    after: [{bash: also}]
""",
    "more.yaml": "variables: {extra: '${{ variables.Reason }}'}",
    "steps.yaml": """
parameters:
  - {name: number, type: number}
  - {name: more, type: object}
  - {name: after, type: stepList, default: []}
steps:
  - bash: $(what) ${{ parameters.number }}
    env:
      A: "1"
      ${{ insert }}: ${{ parameters.more }}
  - ${{ if eq(parameters.number, 1) }}:
      - bash: first
  - ${{ elseif eq(parameters.number, 2) }}:
      - bash: second
  - ${{ else }}:
      - bash: neither
  - ${{ parameters.after }}
""",
}


def written(folder: Path, **changed: str) -> Path:
    for name, text in TEMPLATES.items():
        (folder / name).write_text(changed.get(name.partition(".")[0], text))
    return folder / "main.yaml"


def ran(document: Mapping[str, Any], **ends: Ended) -> tuple[str, list[Step]]:
    """What a run ends with and the steps of it; ``ends`` says how one ends, by its script's first word."""
    found: list[Step] = []

    def execute(step: Step) -> Ended:
        found.append(step)
        return ends.get(step.what.split()[0], Ended())

    return Run(document, {"Reason": "why"}, execute)(), found


def test_templates_loops_and_conditions_give_the_steps(tmp_path: Path) -> None:
    document, used = expand(written(tmp_path), {"Reason": "why"}, {"also": True})
    result, steps = ran(document)
    assert (result, document["variables"]) == ("Succeeded", {"who": "me", "extra": "why"})
    assert [(step.stage, step.what) for step in steps] == [
        *(("home", what) for what in ("me 1", "first", "also")),
        *(("work", what) for what in ("me 2", "second", "also")),
    ]
    assert steps[0].env == {"A": "1", "B": "2"}
    assert used.declared == used.parameters and used.variables == {"who", "Reason"}


@pytest.mark.parametrize(
    ("changed", "given", "said"),
    [
        ({}, {"nobody": 1}, "main.yaml: unexpected parameter 'nobody'"),
        ({}, {"also": "perhaps"}, "parameter 'also' is a boolean, and 'perhaps' is none"),
        ({"steps": TEMPLATES["steps.yaml"].replace("type: number", "type: colour")}, {}, "of type 'colour'"),
        ({"main": TEMPLATES["main.yaml"].replace("number: $", "count: $")}, {}, "unexpected parameter 'count'"),
        (
            {"main": TEMPLATES["main.yaml"].replace("number: ${{ place.value }}", "")},
            {},
            "the 'number' parameter must be",
        ),
        ({"main": TEMPLATES["main.yaml"].replace("steps.yaml", "gone.yaml")}, {}, "no template 'gone.yaml'"),
        ({"main": TEMPLATES["main.yaml"].replace("variables.who", "variables.whom")}, {}, "no variable 'whom'"),
        ({"steps": "steps: [{bash: x, bash: y}]"}, {}, "'bash' stands twice"),
        ({"more": "steps: []"}, {}, "is used where variables stand"),
        ({"main": "extends: {template: x}"}, {}, "'extends' is not known"),
    ],
)
def test_what_azure_would_refuse_is_refused_by_name(
    changed: dict[str, str], given: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(Unknown, match=said):
        expand(written(tmp_path, **changed), {"Reason": "why"}, given)


OUTPUTS = """
variables: {}
stages:
  - stage: plan
    jobs:
      - job: look
        steps: [{bash: look, name: changes}, {bash: used}]
      - deployment: second
        environment: x
        dependsOn: look
        variables: {seen: "$[ dependencies.look.outputs['changes.found'] ]"}
        strategy: {runOnce: {deploy: {steps: [{bash: "saw $(seen)", name: saw}]}}}
  - stage: apply
    condition: and(succeeded(), eq(dependencies.plan.outputs['look.changes.found'], 'true'))
    jobs:
      - job: apply
        variables: {said: "$[ stageDependencies.plan.second.outputs['second.saw.it'] ]"}
        steps: [{bash: apply $(said)}, {bash: after}, {bash: mend, condition: failed()}, {bash: always, condition: always()}]
  - stage: aside
    dependsOn: []
    jobs: [{job: aside, steps: [{bash: warn, continueOnError: true}, {bash: go}]}]
  - stage: last
    dependsOn: [apply, aside]
    jobs: [{job: last, steps: [{bash: last}]}]
"""


@pytest.mark.parametrize(
    ("ends", "result", "steps"),
    [
        ({"look": Ended(outputs={"found": "true"})}, "Succeeded", "look used saw apply after always warn go last"),
        ({}, "Succeeded", "look used saw warn go"),
        ({"look": Ended(FAILED)}, "Failed", "look warn go"),
        (
            {"look": Ended(outputs={"found": "true"}), "apply": Ended(FAILED)},
            "Failed",
            "look used saw apply mend always warn go",
        ),
        ({"warn": Ended(FAILED)}, "SucceededWithIssues", "look used saw warn go"),
    ],
)
def test_conditions_dependencies_and_outputs_decide_what_runs(ends: dict[str, Ended], result: str, steps: str) -> None:
    ended, found = ran(yaml.safe_load(OUTPUTS), **ends, saw=Ended(outputs={"it": "yes"}))
    assert (ended, " ".join(step.what.split()[0] for step in found)) == (result, steps)
    if "look" in ends and ends["look"].outputs:
        assert [step.what for step in found[1:4]] == ["used", "saw true", "apply yes"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("bash: look", "bash: look $(nobody)"), r"reads \$\(nobody\)"),
        (("bash: look", "zsh: look"), "a step with"),
        (("dependsOn: look", "dependsOn: nobody"), "depends on"),
        (("environment: x", "environment: x, container: y"), "'container' is not known"),
        (("runOnce", "canary"), "the strategy of deployment 'second'"),
    ],
)
def test_a_run_with_what_is_not_known_is_refused_by_name(change: tuple[str, str], said: str) -> None:
    old, new = change
    text = OUTPUTS.replace(old, new.replace(", container", "\n        container"))
    with pytest.raises(Unknown, match=said):
        ran(yaml.safe_load(text), look=Ended(outputs={"found": "true"}))


def test_a_cancelled_run_runs_what_asks_for_that(tmp_path: Path) -> None:
    found: list[str] = []
    document = yaml.safe_load("{variables: {}, stages: [{stage: s, jobs: [{job: j, steps: [{bash: a}, {bash: b}]}]}]}")
    document["stages"][0]["jobs"][0]["steps"] += [{"bash": "c", "condition": "canceled()"}]

    def execute(step: Step) -> Ended:
        found.append(step.what)
        run.cancelled = True
        return Ended("Canceled")

    run = Run(document, {}, execute)
    assert (run(), found) == ("Canceled", ["a", "c"])
