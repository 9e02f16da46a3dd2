"""`collima web`."""

import logging
import socket
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from ipaddress import ip_network

import uvicorn

from collima.app import wiring
from collima.app.commands import opened
from collima.app.config import Config
from collima.app.service.systemd import here
from collima.app.web.desk import Desk
from collima.app.web.pages import Pages
from collima.app.web.punctual import Punctual
from collima.app.web.site import Site
from collima.core.errors import ConfigError, Stopped
from collima.state import SqlJournal
from jobs.quarantine_digest.actions import Actions
from jobs.quarantine_digest.options import Options
from jobs.quarantine_digest.requests import Requests

log = logging.getLogger("collima.web")

KIND = "quarantine-digest"
AT_ONCE = 200  # connections: more are answered with 503
GRACE = 10  # seconds that requests under way get when it is told to stop


def web(arguments: Namespace) -> int:
    proxies = _proxies(arguments.proxy)
    with opened(arguments) as (config, journal), _listening(arguments.listen) as listener:
        site = site_of(config, journal)
        server = uvicorn.Server(
            uvicorn.Config(
                site.app(),
                http=Punctual,
                access_log=False,  # its lines have the links in them
                log_config=None,
                lifespan="off",
                proxy_headers=True,
                forwarded_allow_ips=["127.0.0.1", "::1", *proxies],
                server_header=False,
                limit_concurrency=AT_ONCE,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=GRACE,
            )
        )
        host, port = listener.getsockname()[:2]
        told = f"pages of {', '.join(desk.name for desk in site.desks)} at http://{host}:{port}"
        log.info("%s", told)
        print(told, flush=True)
        here().ready(told)
        with suppress(Stopped):  # the server ends what is under way, and then raises the signal again
            server.run(sockets=[listener])
        log.info("stopped")
    return 0


def site_of(config: Config, journal: SqlJournal) -> Site:
    """Raises ConfigError where no job has pages, or a secret is not there."""
    language = config.reports.language if config.reports else "en"
    desks = [_desk(config, name, journal) for name in _jobs(config)]
    if not desks:
        raise ConfigError(f"{config.path}: no job of kind {KIND} has `actions`: there are no pages to serve")
    return Site(desks, Pages(language, config.timezone), wiring.utc_now)


def _jobs(config: Config) -> Iterator[str]:
    for job in config.jobs.values():
        if job.kind == KIND and job.mode == "apply" and isinstance(job.options, Options) and job.options.actions:
            yield job.name


def _desk(config: Config, name: str, journal: SqlJournal) -> Desk:
    options: Options = config.job(name).options
    assert options.actions is not None
    links = options.actions.links(name)
    actions = Actions(options, wiring.context(config, name, journal), wiring.utc_now)
    return Desk(name, links, actions, Requests(actions, links, config.reports.to if config.reports else ()))


@contextmanager
def _listening(where: str) -> Iterator[socket.socket]:
    """From now on connections wait in line. Raises ConfigError."""
    host, colon, port = where.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ConfigError(f"--listen {where!r}: write HOST:PORT, like 127.0.0.1:8420")
    host = host.strip("[]")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, int(port)), family=family, backlog=128)
    except OSError as err:
        raise ConfigError(f"--listen {where}: {err.strerror or err}") from err
    with listener:
        yield listener


def _proxies(given: Sequence[str]) -> Sequence[str]:
    for one in given:
        try:
            ip_network(one)
        except ValueError as err:
            raise ConfigError(
                f"--proxy {one!r}: write an address or a network, like 192.0.2.7 or 192.0.2.0/24"
            ) from err
    return given
