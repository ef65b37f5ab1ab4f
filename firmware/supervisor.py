"""Looks after the tasks: starts again what has failed, and feeds the watchdog while all show life.

A task shows life by calling what it is handed at least every `PATIENCE` ms. One that raises is noted and
started again after a pause. One that hangs is not fed for: the watchdog resets the board. So it does where one task
finds no memory again and again, which only a fresh start puts in order.
"""

import asyncio
import gc
import sys

PATIENCE = 30000  # ms
LOOK = 1000  # ms: the RP2040's watchdog bites after 8.3 s at most
PAUSE = 2000  # ms before what has failed is started again
STARVED = 10  # times that a task may find no memory soon after its start


class Supervisor:
    """The board's tasks.

    Args:
        clock: with `ms()`.
        notes: where failures are written down.
        feed: feeds the watchdog.
    """

    def __init__(self, clock, notes, feed):
        self._clock, self._notes, self._feed = clock, notes, feed
        self._tasks = {}  # name: [function, task, last life]

    def add(self, name, run):
        """Looks after the task that `run(alive)` is, once `watch` runs."""
        self._tasks[name] = [run, None, self._clock.ms()]

    def all_alive(self):
        """Whether every task has shown life lately."""
        now = self._clock.ms()
        return all(now - life <= PATIENCE for _, _, life in self._tasks.values())

    async def watch(self):
        """For ever."""
        while True:
            for name, task in self._tasks.items():
                if task[1] is None:
                    task[1] = asyncio.create_task(self._tend(name, task[0]))
            if self.all_alive():
                self._feed()
            gc.collect()  # little and often: the heap stays in one piece
            await asyncio.sleep_ms(LOOK)

    async def _tend(self, name, run):
        def alive():
            self._tasks[name][2] = self._clock.ms()

        starved = 0
        while starved < STARVED:
            began = self._clock.ms()
            try:
                await run(alive)
            except Exception as fault:
                soon = self._clock.ms() - began < PATIENCE
                starved = starved + 1 if isinstance(fault, MemoryError) and soon else 0
                self._note(name, fault)
            alive()
            await asyncio.sleep_ms(PAUSE)

    def _note(self, name, fault):
        try:
            sys.print_exception(fault)
            self._notes.add("%s failed: %r" % (name, fault))
        except MemoryError:
            pass  # the task is started again all the same
