"""The line of one office: a functional core that imports the standard library only.

    events = decide(state, command, now)      # what a command means, or a LineError
    state = fold(state, events)               # the office afterwards
    ticket, reason = next_up(state, desk, now)

Moments are whole milliseconds since 1970, UTC. Nothing here reads a clock, a file or a socket.
"""
