"""Run history and artifacts: what clients read of a job beside its ARM resource."""
