"""The resource types of stacks that are mostly records here: roles, vaults, monitoring, registries, identities, networks."""
