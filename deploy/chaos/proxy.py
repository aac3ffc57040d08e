"""The way between Weir and sshd, and what can go wrong on it."""

import select
import socket
import struct
import threading
import time

from harness import TESTBED, settings

PHASES = ("connect", "banner", "key exchange", "login", "command", "answer")
KINDS = ("cut", "reset", "swallow", "delay", "trickle")
NEWKEYS = 21  # RFC 4253 7.3: the last message in clear


class Fault:
    """One kind of trouble in one phase, for every connection that comes to it."""

    def __init__(self, phase: str, kind: str, seconds: float = 1.5):
        self.phase = phase
        self.kind = kind
        self.seconds = seconds  # how long `delay` holds a connection up
        self.met = 0

    def __str__(self):
        return f"{self.kind} at {self.phase}"


class Proxy:
    """Carries connections to sshd; a fault that is armed happens to each when it comes to the fault's phase."""

    def __init__(self, target=None):
        self.target = target or ("127.0.0.1", int(settings()["JARVICE_SLURM_CLUSTER_PORT"]))
        self.server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.server.getsockname()[1]
        self.fault = None
        self.way = threading.Event()  # clear while nothing gets through, in either direction
        self.way.set()
        self.pairs = []
        threading.Thread(target=self.accept, daemon=True).start()

    def arm(self, fault: Fault):
        """From now on; in the phases before a command this takes new connections, so the old ones are cut."""
        self.fault = fault
        if PHASES.index(fault.phase) < PHASES.index("command"):
            self.cut_all()

    def heal(self):
        """What comes from now on goes well. Connections that were swallowed stay so."""
        self.fault = None

    def block(self):
        """From now on nothing gets through: neither what is under way on old connections nor new ones."""
        self.way.clear()

    def unblock(self):
        """What was held back arrives, as after a network that was gone for less long than TCP tries."""
        self.way.set()

    def cut_all(self):
        pairs, self.pairs = self.pairs, []
        for pair in pairs:
            pair.end()

    def close(self):
        self.server.close()
        self.cut_all()
        self.unblock()

    def accept(self):
        try:
            while True:
                client = self.server.accept()[0]
                pair = Pair(self, client)
                self.pairs = [pair for pair in self.pairs if not pair.over] + [pair]
                threading.Thread(target=pair.run, daemon=True).start()
        except OSError:
            pass

    def known_hosts(self, path):
        keys = (TESTBED / "keys/known_hosts").read_text()
        path.write_text(keys.replace(f":{self.target[1]} ", f":{self.port} "))
        return path


class Pair:
    """One connection: Weir's side, sshd's side, and how far it has come."""

    def __init__(self, proxy: Proxy, client: socket.socket):
        self.proxy = proxy
        self.client = client
        self.server = None
        self.phase = "connect"
        self.answers = 0  # pieces that sshd sent since the keys were new
        self.clear = {True: b"", False: b""}  # what was sent before the new keys, by direction
        self.over = False
        self.swallowing = False
        self.trickling = 0

    def run(self):
        try:
            self.proxy.way.wait()
            if self.meets("connect", b"", True):
                return
            self.server = socket.create_connection(self.proxy.target)
            for end in (self.client, self.server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.phase = "banner"
            while not self.over:
                for source in select.select([self.client, self.server], [], [], 60)[0]:
                    data = source.recv(65536)
                    self.proxy.way.wait()
                    if not data:
                        return self.end()
                    self.carry(data, source is self.client)
        except (OSError, ValueError):
            self.end()

    def carry(self, data: bytes, to_server: bool):
        phase = self.advance(data, to_server)
        if phase and self.meets(phase, data, to_server):
            return
        if not self.swallowing:
            self.send(data, to_server)

    def advance(self, data: bytes, to_server: bool) -> str:
        """The phase that this piece belongs to; None for one that no fault is about."""
        if self.phase in ("banner", "key exchange"):
            self.clear[to_server] += data
            phase = self.phase
            if phase == "banner" and all(b"\n" in text for text in self.clear.values()):
                self.phase = "key exchange"
            if to_server and self.has_new_keys(self.clear[True]):
                self.phase = "login"
            return None if to_server else phase
        if self.phase == "login":
            self.answers += 0 if to_server else 1
            # Service accepted, methods told, key known, key accepted: login is over with the fourth answer at most.
            if self.answers >= 4:
                self.phase = "open"
            return "login" if not to_server and self.answers >= 2 else None
        return "command" if to_server else "answer"

    @staticmethod
    def has_new_keys(stream: bytes) -> bool:
        position = stream.find(b"\n") + 1
        while position and position + 6 <= len(stream):
            length = struct.unpack(">I", stream[position : position + 4])[0]
            if stream[position + 5] == NEWKEYS:
                return True
            position += 4 + length
        return False

    def meets(self, phase: str, data: bytes, to_server: bool) -> bool:
        """Lets the armed fault happen if this is its phase; true when the piece was dealt with."""
        fault = self.proxy.fault
        if fault is None or fault.phase != phase or self.swallowing or self.trickling:
            return False
        fault.met += 1
        if fault.kind in ("cut", "reset"):
            if phase != "command" and data:
                self.send(data[: len(data) // 2], to_server)
            self.end(reset=fault.kind == "reset")
            return True
        if fault.kind == "swallow":
            if phase == "answer":
                self.send(data[: len(data) // 2], to_server)
            self.swallowing = True
            while phase == "connect" and not self.over and self.client.recv(65536):
                pass
            return True
        if fault.kind == "delay":
            time.sleep(fault.seconds)
        if fault.kind == "trickle":
            self.trickling = 400
        return False

    def send(self, data: bytes, to_server: bool):
        sink = self.server if to_server else self.client
        while self.trickling > 0 and data:
            sink.sendall(data[:1])
            data = data[1:]
            self.trickling -= 1
            time.sleep(0.005)
        sink.sendall(data)

    def end(self, reset: bool = False):
        self.over = True
        for end in (self.client, self.server):
            if end is None:
                continue
            if reset:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            end.close()
