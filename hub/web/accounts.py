"""One's own sessions, and everybody's for administrators."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from hub.clock import now
from hub.line.errors import Unknown
from hub.store import staff
from hub.store.staff import StaffError

from .guard import administrator, person, session, signed_in
from .hall import hall

pages = Blueprint("accounts", __name__, url_prefix="/staff")


@pages.get("/account")
@signed_in
def own() -> AnyResponse:
    """What one may do where, and in which browsers one is signed in."""
    return make_response(
        render_template(
            "account.html",
            sessions=staff.sessions_of(hall().store, person().name, session(), now()),
            plans=hall().fleet.plans,
            plan=next(iter(hall().fleet.plans.values())),
            person=person(),
        )
    )


@pages.post("/account/end")
@signed_in
def end_own() -> AnyResponse:
    """Signs out everywhere, here too."""
    staff.end_sessions(hall().store, person().name, now())
    return redirect(url_for("door.sign_in", out=1), HTTPStatus.SEE_OTHER)


@pages.get("/accounts")
@administrator
def all() -> AnyResponse:
    """Who may do what where, and who is signed in."""
    return make_response(
        render_template(
            "accounts.html",
            accounts=staff.accounts(hall().store, now()),
            plans=hall().fleet.plans,
            plan=next(iter(hall().fleet.plans.values())),
            ended=request.args.get("ended"),
            person=person(),
        )
    )


@pages.post("/accounts/end")
@administrator
def end() -> AnyResponse:
    """Ends somebody's sessions: the next thing they do asks them to sign in."""
    name = request.form.get("name", "")
    try:
        staff.end_sessions(hall().store, name, now(), by=person().name)
    except StaffError as error:
        raise Unknown(str(error)) from None
    return redirect(url_for(".all", ended=name), HTTPStatus.SEE_OTHER)
