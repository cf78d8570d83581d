"""What counts as one caller."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

# Callers come again and again; those of whom nothing was heard for long are forgotten.
_KEPT = 10_000


@lru_cache(_KEPT)
def network_of(text: str) -> str:
    """What a bound of an address counts: an IPv6 host has a whole /64 to choose from.

    Anything that is no address stays as it is.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return text
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((address, 64), strict=False))
    return str(address)
