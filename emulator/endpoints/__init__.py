"""Batch endpoints: where callers ask for scores, the deployments that give them, the jobs that work them out."""

from __future__ import annotations

from emulator.endpoints import batch_deployments, batch_endpoints, invoke

KINDS = (batch_endpoints.KIND, batch_deployments.KIND)
ROUTES = invoke.ROUTES
