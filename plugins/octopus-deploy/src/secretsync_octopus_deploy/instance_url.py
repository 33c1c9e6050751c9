"""The rules for the address of an Octopus server, and its one spelling."""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def split_url(url: str) -> SplitResult:
    """Return the parts of an address that keeps the rules.

    Raises:
        ValueError: it breaks one; says which.
    """
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("must be an address of plain ASCII characters without spaces")
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port != 0
    except ValueError:
        raise ValueError("is not a valid address") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError("must begin with https:// (or http:// for a loopback address)")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not contain credentials: put the API key into apiKey")
    if not parts.hostname or not port_is_valid:
        raise ValueError("must name a host, and a port from 1 to 65535 if any")
    if "?" in url or "#" in url:
        raise ValueError("must not have a query or fragment")
    _check_host(parts.hostname)
    # Such paths name one server in many ways.
    segments = parts.path.removesuffix("/").split("/")[1:]
    if any(segment in {"", ".", ".."} for segment in segments) or "%" in parts.path:
        raise ValueError("must have a plain base path, or none")
    return parts


def _check_host(host: str) -> None:
    """Refuse hosts that can be spelled in several ways, such as 127.1 for 127.0.0.1."""
    if "%" in host or host.endswith("."):
        raise ValueError("must name a host without zone, escapes and a dot at its end")
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise ValueError("is not a valid address") from None
        return
    # Resolvers take a host for an IPv4 address if its last part is a number, decimal or hex.
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", host.rpartition(".")[2], re.IGNORECASE):
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            text = "must have an IPv4 address as four decimal numbers, or a host name"
            raise ValueError(text) from None


def normalized(parts: SplitResult) -> str:
    """Return the one spelling of an address: lower case, no default port, no `/api`."""
    host = (parts.hostname or "").lower()
    if ":" in host:
        host = f"[{ipaddress.IPv6Address(host).compressed}]"
    if parts.port and parts.port != _DEFAULT_PORTS[parts.scheme]:
        host = f"{host}:{parts.port}"
    path = re.sub(r"/api$", "", parts.path.rstrip("/"), flags=re.IGNORECASE).rstrip("/")
    return f"{parts.scheme}://{host}{path}"


def is_loopback(host: str) -> bool:
    """Tell whether a host is certainly this machine."""
    # Not x.localhost: who answers for that is up to the resolver.
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
