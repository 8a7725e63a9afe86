"""What Azure ML lets things be called, with its own words for what it does not.

The patterns are those of the REST reference (https://learn.microsoft.com/rest/api/azureml/).
"""

from __future__ import annotations

from emulator.management.kinds import NameRule

PROVIDER = "Microsoft.MachineLearningServices"

WORKSPACE = NameRule(
    r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}",
    "The workspace name '{name}' is invalid. It must have 3 to 33 characters: letters, digits, '-' and '_', the first of them a "
    "letter or a digit.",
    "ValidationError",
)
# What a cluster may be called; an instance's rule is narrower (``instances.NAME``).
COMPUTE = NameRule(
    r"[a-zA-Z]([a-zA-Z0-9-]{0,30}[a-zA-Z0-9])",
    "Compute name '{name}' is invalid. It can include letters, digits and dashes. It must start with a letter, end with a letter "
    "or digit, and be between 2 and 32 characters in length.",
    "InvalidComputeName",
)
DATASTORE = NameRule(
    r"[a-zA-Z0-9_]{1,255}",
    "Datastore name '{name}' is invalid. It may have letters, digits and underscores only, and at most 255 characters.",
    "UserError",
)
ASSET = NameRule(
    r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}",
    "The asset name '{name}' is invalid. It must have 1 to 255 characters: letters, digits, '-', '_' and '.', the first of them a "
    "letter or a digit.",
    "UserError",
)
VERSION = NameRule(
    r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}",
    "The version '{name}' is invalid. It must have 1 to 255 characters: letters, digits, '-', '_' and '.', the first of them a "
    "letter or a digit.",
    "UserError",
)
CONNECTION = NameRule(
    r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}",
    "The connection name '{name}' is invalid. It must have 3 to 33 characters: letters, digits, '-' and '_'.",
    "ValidationError",
)
