"""The clouds that Resource Manager knows, for clients that ask it where everything is before they sign in.

One object in version 2015-01-01, a list from 2019-05-01 on. Who reads it: azure-ai-ml's ``_azure_environments``, azureml-mlflow,
``az cloud register --endpoint-resource-manager``. Only the public cloud is emulated.
"""

from __future__ import annotations

from typing import Any

from emulator.errors import bad_request
from emulator.http import Call, Reply
from emulator.routes import Route

PUBLIC: dict[str, Any] = {
    "name": "AzureCloud",
    "portal": "https://portal.azure.com",
    "authentication": {
        "loginEndpoint": "https://login.microsoftonline.com",
        "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
        "tenant": "common",
        "identityProvider": "AAD",
    },
    "resourceManager": "https://management.azure.com/",
    "graph": "https://graph.windows.net/",
    "graphAudience": "https://graph.windows.net/",
    "microsoftGraphResourceId": "https://graph.microsoft.com/",
    "batch": "https://batch.core.windows.net/",
    "media": "https://rest.media.azure.net",
    "gallery": "https://gallery.azure.com/",
    "sqlManagement": "https://management.core.windows.net:8443/",
    "activeDirectoryDataLake": "https://datalake.azure.net/",
    "suffixes": {
        "storage": "core.windows.net",
        "keyVaultDns": "vault.azure.net",
        "acrLoginServer": "azurecr.io",
        "azureDataLakeStoreFileSystem": "azuredatalakestore.net",
        "sqlServerHostname": "database.windows.net",
    },
}


async def endpoints(call: Call) -> Reply:
    """``GET /metadata/endpoints``: no token is needed, a client reads it to learn whom to ask for one."""
    version = call.option("api-version")
    if not version:
        raise bad_request("MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required.")
    if version < "2019-05-01":
        single = {
            "galleryEndpoint": PUBLIC["gallery"],
            "graphEndpoint": PUBLIC["graph"],
            "portalEndpoint": PUBLIC["portal"],
            "authentication": {
                "loginEndpoint": PUBLIC["authentication"]["loginEndpoint"],
                "audiences": PUBLIC["authentication"]["audiences"],
            },
        }
        return Reply(body=single)
    return Reply(body=[PUBLIC])


ROUTES = (Route("management.azure.com", "GET", "/metadata/endpoints", endpoints, None),)
