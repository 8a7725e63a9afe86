"""One Pulumi program for every stack: the workspace, what it needs, and the outputs that the runner's settings are named after."""
