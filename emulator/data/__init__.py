"""Data on its way between blob storage, the web and a job's folders."""
