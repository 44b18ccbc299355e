"""Invitations: a link makes a key, and opens a session for it."""

from __future__ import annotations

from fastapi import Depends, HTTPException, Request, Response

from services.api.auth.keys import SESSION_SECONDS, csrf_token
from services.api.auth.sessions import session_facts, set_cookie
from services.api.bodies import data_router
from services.api.callers import Ports, address_of, count_guess, refuse_other_sites
from shared.domain.purpose import stated
from shared.wire import api as schemas

router = data_router("access", "/invitations")


@router.post("/redeem", status_code=201, dependencies=[Depends(refuse_other_sites)])
def redeem(
    ports: Ports, request: Request, response: Response, body: schemas.Redemption
) -> schemas.RedeemedKey:
    """Make the key of an invitation, and open a session for it, as `POST session` does.

    The key's secret is shown only in this answer. An invitation works once, until it expires.
    """
    stated().fill(body.purpose, body.case)
    made = ports.invitations.redeem(body.token.get_secret_value(), body.name, SESSION_SECONDS)
    if made is None:
        count_guess(ports, request)
        ports.access.note("?", "invitation.refused", None, {"address": address_of(request)})
        raise HTTPException(401, "there is no such invitation", {"WWW-Authenticate": "Bearer"})
    set_cookie(request, response, made.session_token)
    facts = session_facts(ports, made.key.caller, csrf_token(made.session_token))
    return schemas.RedeemedKey(**facts, secret=made.secret)
