"""Where everything is, as Resource Manager tells it to a client that has no token yet."""

from typing import Any

import requests

URL = "https://management.azure.com/metadata/endpoints"


def test_the_sdk_finds_the_public_cloud(azure: Any) -> None:
    from azure.ai.ml._azure_environments import _get_clouds_by_metadata_url

    clouds = _get_clouds_by_metadata_url(f"{URL}?api-version=2019-05-01")
    assert clouds["AzureCloud"]["resource_manager"] == "https://management.azure.com/"
    assert clouds["AzureCloud"]["aml_resource_id"] == "https://ml.azure.com"


def test_the_first_version_is_one_object(azure: Any) -> None:
    answer = requests.get(URL, {"api-version": "2015-01-01"}, timeout=10)
    assert answer.json()["authentication"]["loginEndpoint"] == "https://login.microsoftonline.com"


def test_no_version_is_an_error(azure: Any) -> None:
    answer = requests.get(URL, timeout=10)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "MissingApiVersionParameter")
