"""What the database says of a day: read as an auditor would, without the hub's own code."""

import json
from collections import Counter
from typing import Any

import sqlalchemy as sa

WAITING_AGAIN = ("ticket.rejoined", "ticket.let_pass", "ticket.returned", "ticket.transferred")
ENDS = {"ticket.done": "done", "ticket.missed": "absent", "ticket.left": "left", "ticket.voided": "closed"}


class Books:
    """The log and the journals of one database, as they stand now."""

    def __init__(self, url: str) -> None:
        engine = sa.create_engine(url)
        with engine.connect() as connection:
            rows = connection.execute(sa.text("SELECT stream, seq, event FROM log ORDER BY stream, seq")).all()
            self.facts = connection.execute(sa.text("SELECT device, journal, seq, refused FROM facts")).all()
            self.visits = connection.execute(sa.text("SELECT office, ticket, outcome FROM visits")).all()
        engine.dispose()
        self.seqs = [(row.stream, row.seq) for row in rows]
        self.events = [json.loads(row.event) | {"office": row.stream} for row in rows]

    def issued(self, by: str | None = None) -> list[dict[str, Any]]:
        """The events of tickets given out, of one machine or of all."""
        return [e for e in self.events if e["kind"] == "ticket.issued" and by in (None, e["by"])]

    def calls(self) -> list[dict[str, Any]]:
        """All calls, in order."""
        return [event for event in self.events if event["kind"] == "ticket.called"]

    def outcomes(self) -> dict[str, str]:
        """How each ticket stands, by token, told from its last event."""
        tokens = {event["ticket"]: event["token"] for event in self.issued()}
        stands = dict.fromkeys(tokens, "waiting")
        for event in self.events:
            if event.get("ticket") in stands and event["kind"] != "ticket.recalled":
                stands[event["ticket"]] = ENDS.get(event["kind"], _standing(event["kind"]))
        return {tokens[ticket]: stage for ticket, stage in stands.items()}

    def faults(self) -> list[str]:
        """What must never be in the books, a line each."""
        return [*self._gaps(), *self._doubles(), *self._called_wrongly(), *self._refusals(), *self._visits_amiss()]

    def _gaps(self) -> list[str]:
        last = {stream: max(seq for s, seq in self.seqs if s == stream) for stream, _ in self.seqs}
        count = Counter(stream for stream, _ in self.seqs)
        faults = [f"the log of {stream} has gaps" for stream, seq in last.items() if count[stream] != seq]
        journals = Counter((row.device, row.journal) for row in self.facts)
        ends = {key: max(row.seq for row in self.facts if (row.device, row.journal) == key) for key in journals}
        return faults + [f"the journal of {key} has gaps" for key, seq in ends.items() if journals[key] != seq]

    def _doubles(self) -> list[str]:
        issued = self.issued()
        names = [*((e["office"], e["label"]) for e in issued), *(e["token"] for e in issued)]
        names += [e["ticket"] for e in issued]
        return [f"given twice: {name}" for name, count in Counter(names).items() if count > 1]

    def _called_wrongly(self) -> list[str]:
        """A call takes somebody who waits to a desk where nobody is."""
        waiting: set[str] = set()
        at_desk: dict[tuple[str, str], str] = {}
        faults = []
        for event in self.events:
            kind, ticket, desk = event["kind"], event.get("ticket", ""), (event["office"], event.get("desk", ""))
            if kind == "ticket.called":
                if ticket not in waiting or desk in at_desk:
                    faults.append(f"called wrongly: {event}")
                waiting.discard(ticket)
                at_desk[desk] = ticket
            elif kind == "ticket.issued" or kind in WAITING_AGAIN:
                waiting.add(ticket)
                at_desk = {place: who for place, who in at_desk.items() if who != ticket}
            elif kind in ENDS:
                waiting.discard(ticket)
                at_desk = {place: who for place, who in at_desk.items() if who != ticket}
        return faults

    def _refusals(self) -> list[str]:
        return [f"refused: {row}" for row in self.facts if row.refused]

    def _visits_amiss(self) -> list[str]:
        tokens = {event["ticket"]: event["token"] for event in self.issued()}
        stands = self.outcomes()
        kept = {row.ticket: row.outcome for row in self.visits}
        said = {ticket: stands[token] for ticket, token in tokens.items()}
        return [f"visits: {t} is {kept.get(t)}, {said[t]} by the log" for t in said if kept.get(t) != said[t]]


def _standing(kind: str) -> str:
    return {"ticket.called": "called", "ticket.started": "serving"}.get(kind, "waiting")
