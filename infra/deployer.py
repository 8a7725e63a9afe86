"""Who applies the stack: the first that is asked of Azure, and so where it shows that nobody is signed in."""

from __future__ import annotations

from pulumi import RunError
from pulumi_azure_native import authorization


def find() -> authorization.GetClientConfigResult:
    """Tenant, subscription and object id. What keeps Azure from answering is told without a traceback."""
    try:
        return authorization.get_client_config()
    except Exception as error:  # noqa: B902 - Pulumi has no class for it
        raise RunError(str(error).rpartition("returned an error: ")[2]) from error
