"use strict";
/**
 * What a shared access signature must grant for the operations that Azurite's own tables leave out. Without a row there, a request
 * with a good signature for such an operation is an error of the server's.
 *
 * https://learn.microsoft.com/rest/api/storageservices/create-account-sas#account-sas-permissions-by-operation and
 * https://learn.microsoft.com/rest/api/storageservices/create-service-sas#permissions-for-a-directory-container-or-blob
 */

// operation: [resource types of an account SAS, its permissions, those of a service SAS on a blob, and on a container]; any one of the
// letters is enough, "" is never enough, "*" always. What Azurite does not implement is here too: it says so once it knows the caller.
const ROWS = {
  AppendBlob_AppendBlockFromUrl: ["o", "aw", "aw", "aw"],
  AppendBlob_Seal: ["o", "w", "w", "w"],
  BlockBlob_PutBlobFromUrl: ["o", "wc", "wc", "wc"],
  BlockBlob_StageBlockFromURL: ["o", "wc", "wc", "wc"],
  Blob_DeleteImmutabilityPolicy: ["o", "i", "i", "i"],
  Blob_Query: ["o", "r", "r", "r"],
  Blob_SetExpiry: ["o", "w", "w", "w"],
  Blob_SetImmutabilityPolicy: ["o", "i", "i", "i"],
  Blob_SetLegalHold: ["o", "i", "i", "i"],
  Blob_Undelete: ["o", "w", "w", "w"],
  Container_FilterBlobs: ["c", "f", "", "f"],
  Container_Restore: ["c", "w", "", ""],
  Container_SubmitBatch: ["sco", "*", "", "*"], // each of its parts is checked by itself
  PageBlob_Resize: ["o", "w", "w", "w"],
  PageBlob_UploadPagesFromURL: ["o", "w", "w", "w"],
  Service_FilterBlobs: ["s", "f", "", ""],
  Service_SubmitBatch: ["sco", "*", "", ""],
};

/** Add the rows that are missing; `from(name)` gives a module of Azurite's. */
function complete(from) {
  const operations = from("blob/generated/artifacts/operation").default;
  const account = from("blob/authentication/OperationAccountSASPermission");
  const service = from("blob/authentication/OperationBlobSASPermission");
  const every = "rwdxlacuptifmeoy";
  const letters = (text) => (text === "*" ? every : text);
  const missing = (table, operation, make) => table.has(operation) || table.set(operation, make());
  for (const [name, [types, ofAccount, ofBlob, ofContainer]] of Object.entries(ROWS)) {
    const operation = operations[name];
    if (operation === undefined) throw new Error(`Azurite has no operation ${name}`);
    const { OperationAccountSASPermission: Account } = account;
    const { OperationBlobSASPermission: Service } = service;
    missing(account.default, operation, () => new Account("b", types, letters(ofAccount)));
    missing(service.OPERATION_BLOB_SAS_BLOB_PERMISSIONS, operation, () => new Service(letters(ofBlob)));
    missing(service.OPERATION_BLOB_SAS_CONTAINER_PERMISSIONS, operation, () => new Service(letters(ofContainer)));
  }
}

module.exports = { complete };
