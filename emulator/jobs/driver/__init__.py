"""What runs in the job of a batch deployment, in the deployment's own environment: files that stand alone, laid beside the job's
code. They import the standard library and each other, and run on every Python that a model may ask for."""
