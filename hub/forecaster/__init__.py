"""The forecaster: the process that says how long the waits will be, what it reads, and how it is scored."""
