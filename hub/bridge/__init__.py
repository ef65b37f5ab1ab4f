"""Between the machines and the log: facts and presses come in, documents go out."""
