"""What the engine starts: serves on a port of its own, which it prints, until the engine ends it."""

from infra.provider.service import serve

serve()
