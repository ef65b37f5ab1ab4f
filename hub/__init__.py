"""The server: the line, its log, the bridge to the machines and the pages for people."""
