"""What Azurite must not see, and the answer that Storage gives to it. Pure: a request in, an ``AzureError`` or nothing out.

Each rule stands for requests that Azurite 3.37 answers with a bare 500, found by sending it malformed ones. Codes and their
sentences: https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes and …/blob-service-error-codes;
names: https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata.
"""

from __future__ import annotations

import os
import re
from datetime import datetime, timezone
from urllib.parse import quote, urlsplit
from xml.parsers import expat

from emulator.errors import AzureError, NotEmulated
from emulator.storage.request import SUFFIX, Request, decoded

# In http.sys, which stands before Storage: request line and headers (MaxRequestBytes,
# https://learn.microsoft.com/troubleshoot/developer/webapps/iis/health-diagnostic-performance/httpsys-registry-windows).
HEAD_LIMIT = 16 * 1024
METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"})
NAME_LIMIT = 1024  # characters of a blob's name
XML_LIMIT = 8 * 1024 * 1024  # bytes: a list of 50,000 blocks with the longest ids has 5.5 million
BATCH_LIMIT = 4 * 1024 * 1024  # bytes: https://learn.microsoft.com/rest/api/storageservices/blob-batch

# Operations whose body is XML, by method and ``comp``: its root, and whether it may be missing altogether.
XML_BODIES = {
    ("PUT", "blocklist"): ("BlockList", False),
    ("PUT", "properties"): ("StorageServiceProperties", False),  # of a blob it has no body, and no restype
    ("PUT", "acl"): ("SignedIdentifiers", True),
    ("PUT", "tags"): ("Tags", False),
    ("POST", "userdelegationkey"): ("KeyInfo", False),
    ("POST", "query"): ("QueryRequest", False),
}

# Azurite decodes these once more than they were encoded.
SIGNATURE_OPTIONS = frozenset(
    "sv ss srt sp st se sip spr sig si sr sdd skoid sktid skt ske sks skv saoid suoid scid ses rscc rscd rsce rscl rsct".split()
)
CONTROL = re.compile(r"[\x00-\x1f\x7f\ufffe\uffff]")
RANGE = re.compile(rb"bytes=[0-9]+-[0-9]*", re.IGNORECASE)
CUSTOMER_KEYS = (b"x-ms-encryption-key", b"x-ms-encryption-key-sha256", b"x-ms-encryption-algorithm")


def check(request: Request) -> None:
    """Raises for what Azurite would answer with a bare 500, or not at all. Looks at no body."""
    fields = request.fields
    if request.method not in METHODS:
        # https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes
        raise AzureError(405, "UnsupportedHttpVerb", "The resource doesn't support the specified HTTP verb.")
    if request.named not in (request.host, f"{request.host}:443") or not request.host.endswith(SUFFIX):
        raise _invalid_header("Host", request.named)
    size = len(request.path) + len(request.query) + sum(len(name) + len(value) + 4 for name, value in request.headers)
    if size > HEAD_LIMIT:
        raise AzureError(
            400, "InvalidInput", f"The request line and the headers have {size} bytes; {HEAD_LIMIT} are taken."
        )
    _check_path(request.path)
    seen: set[str] = set()
    for name, value in request.parameters:
        if name is None or value is None:
            raise _invalid_parameter("", request.query.decode("latin-1"), "It is not percent-encoded UTF-8.")
        if name in seen:
            raise _invalid_parameter(name, value, "It is there more than once.")
        seen.add(name)
        if CONTROL.search(name + value):  # the answer, which is XML, could not say the name
            raise _invalid_parameter(name, quote(value), "It contains a control character.")
        if name in SIGNATURE_OPTIONS and decoded(value.encode()) is None:
            raise _unauthentic(f"{name} is not well formed.")
    if b"content-length" not in fields and (request.method in ("PUT", "POST") or b"transfer-encoding" in fields):
        # Required of every operation that takes a body (https://learn.microsoft.com/rest/api/storageservices/put-blob)
        raise AzureError(411, "MissingContentLengthHeader", "The Content-Length header was not specified.")
    if request.scheme == "sharedkeylite":
        raise NotEmulated("authorization by SharedKeyLite")
    for header in CUSTOMER_KEYS:
        if header in fields:
            raise NotEmulated(f"customer-provided keys ({header.decode()})")
    if request.options.get("comp") == "blobs" and "where" not in request.options:
        raise AzureError(
            400,
            "MissingRequiredQueryParameter",
            "A query parameter that's mandatory for this request is not specified.",
            details=[{"QueryParameterName": "where"}],
        )
    if request.options.get("comp") == "pagelist":
        wanted = fields.get(b"x-ms-range", fields.get(b"range", b"bytes=0-"))
        if not RANGE.fullmatch(wanted):
            raise _invalid_header("Range", wanted.decode("latin-1"))
    access = fields.get(b"x-ms-blob-public-access", b"container")
    if access not in (b"container", b"blob"):  # it would be kept, and make the container unusable
        raise _invalid_header("x-ms-blob-public-access", access.decode("latin-1"))
    _check_tags(fields.get(b"x-ms-tags"))
    _check_copy_source(request)


def body_limit(request: Request) -> int | None:
    """The bytes that the body may have where it must be looked at before Azurite sees it; ``None`` where it is streamed."""
    if request.batch:
        return BATCH_LIMIT
    return XML_LIMIT if _xml(request) else None


def check_body(request: Request, body: bytes) -> None:
    """Raises Storage's ``InvalidXmlDocument`` (400) for a body that is not the document that the operation takes."""
    expected = _xml(request)
    if expected is None:
        return
    root, optional = expected
    if not body and optional:
        return
    names: list[str] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda name, _: names.append(name)
    parser.StartDoctypeDeclHandler = _no_doctype
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError):
        names.clear()
    if names[:1] != [root] or (root == "StorageServiceProperties" and len(names) < 2):
        raise AzureError(400, "InvalidXmlDocument", "XML specified is not syntactically valid.")


def _xml(request: Request) -> tuple[str, bool] | None:
    comp = request.options.get("comp", "").lower()
    if comp == "properties" and request.options.get("restype", "").lower() != "service":
        return None
    return XML_BODIES.get((request.method, comp))


def _no_doctype(*_: object) -> None:
    raise ValueError("a document type is not taken")


def _check_path(path: bytes) -> None:
    """Raises ``InvalidUri`` (400) for a path that can name neither a container nor a blob."""
    name = decoded(path)
    blob = name.lstrip("/").partition("/")[2] if name is not None else ""
    if (
        name is None
        or not name.startswith("/")
        or len(blob) > NAME_LIMIT
        or CONTROL.search(name)
        # Servers and clients resolve these before they reach a name; where they do not, it would become a path on a disk.
        or any(segment in (".", "..") for segment in name.replace("\\", "/").split("/"))
    ):
        raise AzureError(400, "InvalidUri", "The requested URI does not represent any resource on the server.")


def blob_name(path: str) -> str:
    """A file's path as the name of a blob: bytes that are no text, and control characters, become underscores."""
    return re.sub(rf"{CONTROL.pattern}|\ufffd", "_", os.fsencode(path).decode("utf-8", "replace"))


def _check_tags(value: bytes | None) -> None:
    if not value:
        return
    for pair in value.split(b"&"):
        name, equals, rest = pair.partition(b"=")
        if not equals or decoded(name) is None or decoded(rest) is None:
            raise _invalid_header("x-ms-tags", value.decode("latin-1"))


def _check_copy_source(request: Request) -> None:
    """All of a copy happens on this server: a source elsewhere is one that the emulator cannot read, and says so."""
    source = request.fields.get(b"x-ms-copy-source")
    if source is None:
        return
    try:
        host = urlsplit(source.decode("ascii")).hostname or ""
    except ValueError:
        raise _invalid_header("x-ms-copy-source", source.decode("latin-1")) from None
    if decoded(source) is None or not host:
        raise _invalid_header("x-ms-copy-source", source.decode("latin-1"))
    if not host.endswith(SUFFIX):
        raise NotEmulated(f"copying from {host}")
    if b"x-ms-copy-source-authorization" in request.fields:
        raise NotEmulated("x-ms-copy-source-authorization")


def _invalid_header(name: str, value: str) -> AzureError:
    return AzureError(
        400,
        "InvalidHeaderValue",
        "The value for one of the HTTP headers is not in the correct format.",
        details=[{"HeaderName": name, "HeaderValue": value}],
    )


def _invalid_parameter(name: str, value: str, reason: str) -> AzureError:
    return AzureError(
        400,
        "InvalidQueryParameterValue",
        "Value for one of the query parameters specified in the request URI is invalid.",
        details=[{"QueryParameterName": name, "QueryParameterValue": value, "Reason": reason}],
    )


def no_such_account(account: str) -> AzureError:
    """In Azure the host of an account that does not exist does not resolve; there is no HTTP answer to copy."""
    return AzureError(
        404, "ResourceNotFound", f"The specified resource does not exist: no storage account '{account}'."
    )


def not_public() -> AzureError:
    return AzureError(409, "PublicAccessNotPermitted", "Public access is not permitted on this storage account.")


def no_shared_key() -> AzureError:
    """https://learn.microsoft.com/azure/storage/common/shared-key-authorization-prevent"""
    return AzureError(
        403, "KeyBasedAuthenticationNotPermitted", "Key based authentication is not permitted on this storage account."
    )


def no_permission() -> AzureError:
    return AzureError(
        403,
        "AuthorizationPermissionMismatch",
        "This request is not authorized to perform this operation using this permission.",
    )


def bad_signature(request: Request) -> AzureError:
    """Of a shared access signature, with the reason as Storage gives it."""
    start, expiry = (request.options.get(name, "") for name in ("st", "se"))
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    if expiry < now or start > now:  # all of them ISO 8601 in UTC
        return _unauthentic(
            f"Signature not valid in the specified time frame: Start [{start}] - Expiry [{expiry}] - Current [{now}]"
        )
    return _unauthentic("Signature did not match.")


def _unauthentic(detail: str) -> AzureError:
    return AzureError(
        403,
        "AuthenticationFailed",
        "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly "
        "including the signature.",
        details=[{"AuthenticationErrorDetail": detail}],
    )


def busy() -> AzureError:
    return AzureError(
        503,
        "ServerBusy",
        "The server is currently unable to receive requests. Please retry your request.",
        headers={"Retry-After": "1"},
    )


def unknown_outcome() -> AzureError:
    return AzureError(500, "OperationTimedOut", "The operation could not be completed within the permitted time.")
