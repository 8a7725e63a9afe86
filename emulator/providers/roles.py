"""Built-in roles that stacks of this kind assign: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles."""

ROLES = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
    "b24988ac-6180-42a0-ab88-20f7382dd24c": "Contributor",
    "acdd72a7-3385-48ef-bd42-f606fba81ae7": "Reader",
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9": "User Access Administrator",
    "f58310d9-a9f6-439a-9e8d-f62e7b41a168": "Role Based Access Control Administrator",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "Storage Blob Data Reader",
    "db58b8e5-c6ad-4a2a-8342-4190687cbf4a": "Storage Blob Delegator",
    "17d1049b-9a84-46fb-8f53-869881c3d3ab": "Storage Account Contributor",
    "81a9662b-bebf-436f-a333-f67b29880f12": "Storage Account Key Operator Service Role",
    "0c867c2a-1d8c-454a-a3db-ab2ea1bdc8bb": "Storage File Data SMB Share Contributor",
    "69566ab7-960f-475b-8e7c-b3118f30c6bd": "Storage File Data Privileged Contributor",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "f6c7c914-8db3-469d-8ca1-694a8f32e121": "AzureML Data Scientist",
    "e503ece1-11d0-4e8e-8e2c-7a6c3bf38815": "AzureML Compute Operator",
    "1823dd4f-9b8c-4ab6-ab4e-7397a3684615": "AzureML Registry User",
    "635dd51f-9968-44d3-b7fb-6d9a6bd613ae": "AzureML Metrics Writer (preview)",
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": "AcrPull",
    "8311e382-0749-4cb8-b61a-304f252e45ec": "AcrPush",
    "c2f4ef07-c644-48eb-af81-4b1b4947fb11": "AcrDelete",
    "00482a5a-887f-4fb3-b363-3b7fe8e74483": "Key Vault Administrator",
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": "Key Vault Secrets Officer",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "21090545-7ca7-4776-b22c-e363652d74d2": "Key Vault Reader",
    "f25e0fa2-a7c8-4377-a976-54943a77a395": "Key Vault Contributor",
    "14b46e9e-c2b7-41b4-b07b-48a6ebf60603": "Key Vault Crypto Officer",
    "12338af0-0e69-4776-bea7-57ae8d297424": "Key Vault Crypto User",
    "e40ec5ca-96e0-45a2-b4ff-59039f2c2b59": "Managed Identity Contributor",
    "f1a07417-d97a-45cb-824c-7a7467783830": "Managed Identity Operator",
    "92aaf0da-9dab-42b6-94a3-d43ce8d16293": "Log Analytics Contributor",
    "73c42c96-874c-492b-b04d-ab87d138a893": "Log Analytics Reader",
    "43d0d8ad-25c7-4714-9337-8ba259a9fe05": "Monitoring Reader",
    "749f88d5-cbae-40b8-bcfc-e573ddc772fa": "Monitoring Contributor",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "4d97b98b-1d4f-4787-a291-c67834d212e7": "Network Contributor",
}

_BLOBS = "Microsoft.Storage/storageAccounts/blobServices"
_DELEGATE = f"{_BLOBS}/generateUserDelegationKey/action"
_SECRETS = "Microsoft.KeyVault/vaults/secrets"
# What each lets its holder do with data (https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/storage,
# .../security): the control actions that the data plane asks for stand among the data actions.
DATA_ACTIONS = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": (f"{_BLOBS}/containers/*", _DELEGATE),
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": (
        *(f"{_BLOBS}/containers/{verb}" for verb in ("read", "write", "delete")),
        *(f"{_BLOBS}/containers/blobs/{verb}" for verb in ("read", "write", "delete", "move/action", "add/action")),
        _DELEGATE,
    ),
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": (f"{_BLOBS}/containers/read", f"{_BLOBS}/containers/blobs/read", _DELEGATE),
    "db58b8e5-c6ad-4a2a-8342-4190687cbf4a": (_DELEGATE,),
    "00482a5a-887f-4fb3-b363-3b7fe8e74483": ("Microsoft.KeyVault/vaults/*",),
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": (f"{_SECRETS}/*",),
    "4633458b-17de-408a-b874-0445c86b69e6": (f"{_SECRETS}/getSecret/action", f"{_SECRETS}/readMetadata/action"),
    "21090545-7ca7-4776-b22c-e363652d74d2": (f"{_SECRETS}/readMetadata/action",),
}
