"""MLflow tracking of a workspace: MLflow's own server, a child process, behind Azure ML's tracking URI."""
