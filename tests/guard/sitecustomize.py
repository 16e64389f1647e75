"""No network: every Python process of `make test` imports this (PYTHONPATH), so that each address but loopback fails at once,
as on a machine without a network, and is written into the file that NETWORK_ATTEMPTS names; `make test` fails if there is one."""

import ipaddress
import os
import socket
import sys


def is_loopback(host):
    if host in (None, "", b"", "localhost", b"localhost", socket.gethostname()):
        return True
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host).is_loopback
    except ValueError:
        return False


def note(host):
    if str(host).endswith(".127.0.0.1"):
        return  # a hub on loopback is taken to have neighbours: the clients put names of services before its address
    with open(os.environ["NETWORK_ATTEMPTS"], "a", encoding="utf-8") as attempts:
        attempts.write(f"{host} asked for by {' '.join(sys.argv[:3])}\n")


def guarded(call):
    def connect(self, address, *rest):
        if self.family in (socket.AF_INET, socket.AF_INET6) and not is_loopback(address[0]):
            note(address[0])
            raise OSError(101, "Network is unreachable")
        return call(self, address, *rest)
    return connect


def guarded_lookup(call):
    def getaddrinfo(host, *rest, **more):
        if not is_loopback(host):
            note(host)
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return call(host, *rest, **more)
    return getaddrinfo


if "NETWORK_ATTEMPTS" in os.environ:
    socket.socket.connect, socket.socket.connect_ex = guarded(socket.socket.connect), guarded(socket.socket.connect_ex)
    socket.getaddrinfo = guarded_lookup(socket.getaddrinfo)
