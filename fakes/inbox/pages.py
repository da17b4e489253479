"""The side that shows mails: a page for people, JSON for tests."""

import html
import re
from dataclasses import asdict

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route

from fakes.inbox.mails import Mail, Mailbox

_LINK = re.compile(r"https?://[^\s<>&]+")
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Inbox</title>
<style>body{{font:16px/1.5 system-ui;max-width:50rem;margin:2rem auto;padding:0 1rem}}
article{{border-top:1px solid #999;padding:1rem 0}}pre{{white-space:pre-wrap;overflow-wrap:anywhere}}</style>
<h1>Inbox</h1><p>Mails that were sent here, the last first. None has left this machine.</p>
<form><label>To <input name="recipient" value="{recipient}"></label> <button>Show</button></form>
{mails}</html>"""


def pages(mailbox: Mailbox) -> Starlette:
    """`/` for people; `/mails?recipient=` as JSON, the last first; `/health/ready`."""

    async def page(request: Request) -> HTMLResponse:
        recipient = request.query_params.get("recipient", "")
        mails = "".join(_article(mail) for mail in mailbox.mails(recipient)) or "<p>There is none.</p>"
        return HTMLResponse(_PAGE.format(recipient=html.escape(recipient), mails=mails))

    async def listing(request: Request) -> JSONResponse:
        mails = mailbox.mails(request.query_params.get("recipient"))
        return JSONResponse(
            {"mails": [asdict(mail) | {"received_at": mail.received_at.isoformat()} for mail in mails]}
        )

    async def ready(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ready"})

    return Starlette(routes=[Route("/", page), Route("/mails", listing), Route("/health/ready", ready)])


def _article(mail: Mail) -> str:
    recipients, subject, text = (
        html.escape(one) for one in (", ".join(mail.recipients), mail.subject, mail.text)
    )
    with_links = _LINK.sub(lambda link: f'<a href="{link[0]}">{link[0]}</a>', text)
    return (
        f"<article><h2>{subject}</h2><p>to {recipients}, {mail.received_at:%Y-%m-%d %H:%M:%S} UTC</p>"
        f"<pre>{with_links}</pre></article>"
    )
