"""How long the wait will be: the office played forward from what is there now, many times, by its own rule.

    laws = learn(days)                                   # what the past says: laws.py, watch.py, learn.py
    scene = look(state, coming, now)                     # what is there now, as arrays: scene.py
    waits = run(scene, draw(scene, laws, today, rng))    # every replication side by side: draws.py, simulate.py
    forecast(...)                                        # as quantiles: quantiles.py

score.py measures forecasts, synthetic.py is an office to measure them on, whatif.py plays a past day with a change.
Imports hub.line and numpy only; nothing here reads a clock, a file or a socket.
"""
