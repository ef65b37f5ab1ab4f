"""The bench's page: what the camera sees, live, and a hand for the buttons, plugs and paper."""

import json
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import urlsplit

from flask import Flask, Response, abort, jsonify, render_template, request

from devices import DeviceError
from devices.bench.camera import Camera, png
from devices.bench.cards import CARDS
from devices.bench.fleet import FAULTS, KEYS, SAYABLE, Machine, NoPower, Office, Unknown

ALIVE_EVERY = 15.0  # seconds between the comments that keep an idle stream open
POLICY = "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'"
POLICY += "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

WORDS = {
    "ca": {
        "title": "Banc de proves",
        "intro": "Els mateixos programes que van a cada màquina, sobre maquinari simulat. "
        "Premeu els botons, estireu els cables.",
        "desk": "Taula",
        "press": "Premeu",
        "short": "Següent",
        "long": "Torna a cridar",
        "double": "Absent",
        "gestures": {"short": "curt", "long": "llarg", "double": "doble"},
        "appointment": "Tinc cita",
        "keypad": "Teclat",
        "reader": "Lector de documents",
        "lay": "Passa el document {}",
        "code": "Text del codi QR de la confirmació",
        "show": "Passa el codi",
        "keys": {"again": "Torna a començar", "back": "Esborra", "enter": "Enter"},
        "preferential": "Preferent",
        "language": "Idioma · Language",
        "reprint": "Reimprimeix",
        "take": "Recolliu el tiquet",
        "follow": "Obriu la pàgina del tiquet {}",
        "off": "Sense corrent",
        "sound": "So",
        "break": "Avaries",
        "faults": {
            "network": "Xarxa desconnectada",
            "power": "Sense corrent",
            "paper-low": "Queda poc paper",
            "paper-out": "Sense paper",
            "cover": "Tapa oberta",
            "printer": "Impressora desconnectada",
        },
    },
    "en": {
        "title": "Test bench",
        "intro": "The very programs that run in each machine, on simulated hardware. "
        "Press the buttons, pull the cables.",
        "desk": "Desk",
        "press": "Press",
        "short": "Next",
        "long": "Call again",
        "double": "Absent",
        "gestures": {"short": "short", "long": "long", "double": "double"},
        "appointment": "I have an appointment",
        "keypad": "Keypad",
        "reader": "Document reader",
        "lay": "Show the document {}",
        "code": "Text of the confirmation's QR code",
        "show": "Show the code",
        "keys": {"again": "Start again", "back": "Delete", "enter": "Enter"},
        "preferential": "Priority",
        "language": "Idioma · Language",
        "reprint": "Print again",
        "take": "Take your ticket",
        "follow": "Open the page of ticket {}",
        "off": "No power",
        "sound": "Sound",
        "break": "Break things",
        "faults": {
            "network": "Network cable out",
            "power": "No power",
            "paper-low": "Paper low",
            "paper-out": "Paper out",
            "cover": "Cover open",
            "printer": "Printer unplugged",
        },
    },
}


def create_app(offices: Sequence[Office], camera: Camera) -> Flask:
    """The page, and the doors that tests go through too (docs/bench.md)."""
    app = Flask(__name__)
    machines = {machine.id: machine for office in offices for machine in office.machines}

    @app.before_request
    def only_from_here() -> None:
        """Another site's page must not press our buttons."""
        origin = request.headers.get("Origin")
        if request.method == "POST" and origin and urlsplit(origin).netloc != request.host:
            abort(403)

    @app.after_request
    def strictly(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    @app.errorhandler(DeviceError)
    def refused(error: DeviceError) -> tuple[Response, int]:
        status = 404 if isinstance(error, Unknown) else 409 if isinstance(error, NoPower) else 500
        return jsonify(error=str(error)), status

    @app.get("/")
    def page() -> str:
        """All the machines of all the offices."""
        language = request.args.get("lang", "ca")
        language = language if language in WORDS else "ca"
        own = {"words": WORDS[language], "lang": language}
        return render_template("bench.html", offices=offices, faults=FAULTS, cards=CARDS, keys=KEYS, **own)

    @app.get("/machines")
    def seen() -> Response:
        """What the camera sees now, as JSON."""
        return jsonify(machines=camera.wait(0, 0)[1])

    @app.get("/events")
    def events() -> Response:
        """Each machine's view now, and again whenever it changes, as Server-Sent Events."""
        return Response(_stream(camera), mimetype="text/event-stream")

    @app.get("/picture/<device>/<part>.png")
    def picture(device: str, part: str) -> Response:
        """What a panel shows: part is screen or matrix."""
        return _image(camera.picture(device, part))

    @app.get("/paper/<device>/<int:number>.png")
    def paper(device: str, number: int) -> Response:
        """One slip, from the very bytes that went to the printer."""
        found = dict(_machine(machines, device).papers).get(number)
        return _image(png(found.picture) if found else None)

    _hands(app, machines)
    return app


def _hands(app: Flask, machines: dict[str, Machine]) -> None:
    """What one can do to a machine, as POST routes; only `show` has a body, what the code says."""

    @app.post("/show/<device>")
    def show(device: str) -> tuple[str, int]:
        """A QR code before the reader."""
        _machine(machines, device).show(request.get_data()[: 4 * SAYABLE].decode("utf-8", "replace"))
        return "", 204

    @app.post("/press/<device>/<button>", defaults={"gesture": "short"})
    @app.post("/press/<device>/<button>/<gesture>")
    def press(device: str, button: str, gesture: str) -> tuple[str, int]:
        """A whole gesture: short, long or double."""
        _machine(machines, device).tap(button, gesture)
        return "", 204

    def door(verb: str, act: Callable[[Machine, str], None]) -> None:
        def done(device: str, what: str) -> tuple[str, int]:
            act(_machine(machines, device), what)
            return "", 204

        app.add_url_rule(f"/{verb}/<device>/<what>", verb, done, methods=["POST"])

    door("push", Machine.push)
    door("let-go", Machine.let_go)
    door("type", Machine.type)
    door("lay", Machine.lay)
    door("break", Machine.wreck)
    door("mend", Machine.repair)


def _machine(machines: dict[str, Machine], device: str) -> Machine:
    if device not in machines:
        raise Unknown(f"there is no machine {device} on this bench")
    return machines[device]


def _stream(camera: Camera) -> Iterator[str]:
    seen = 0
    yield "retry: 1000\n\n"
    while not camera.ended:
        seen, views = camera.wait(seen, ALIVE_EVERY)
        for view in views:
            yield f"data: {json.dumps(view)}\n\n"
        if not views:
            yield ": still here\n\n"


def _image(data: bytes | None) -> Response:
    return Response(data, mimetype="image/png") if data else Response(status=404)
