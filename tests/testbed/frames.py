"""A WebSocket client of the tests: enough of it to exec, and to see what a proxy does."""
import socket

from testbed import check


class WebSocket:
    """A WebSocket to the API of a k2d (RFC 6455), as its administrator."""

    def __init__(self, k2d, path, *protocols):
        self.socket = k2d.credentials().wrap_socket(socket.create_connection(("127.0.0.1", k2d.port), timeout=60), server_hostname="localhost")
        offered = f"Sec-WebSocket-Protocol: {', '.join(protocols)}\r\n" if protocols else ""
        self.socket.sendall((f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                             f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offered}\r\n").encode())
        self.reader = self.socket.makefile("rb")
        head = []
        while (line := self.reader.readline().strip()):
            head.append(line.decode())
        check(head and " 101 " in head[0] + " ", head)

    def send(self, data):
        """One message of at most 65535 bytes."""
        length = len(data)
        head = bytes([0x82, 0x80 | length]) if length < 126 else bytes([0x82, 0x80 | 126]) + length.to_bytes(2, "big")
        self.socket.sendall(head + b"\0\0\0\0" + data)

    def receive(self):
        """The next message; None for the end."""
        head = self.reader.read(2)
        if len(head) < 2 or head[0] & 15 == 8:
            return None
        length = head[1]
        if length > 125:
            length = int.from_bytes(self.reader.read(2 if length == 126 else 8), "big")
        return self.reader.read(length)

    def close(self):
        self.reader.close()
        self.socket.close()
