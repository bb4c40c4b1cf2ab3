"""The wire between a page and the service, which a test can cut, stall, or have swallow an answer."""

import contextlib
import socket
import struct
import threading

METHODS = (b"GET ", b"HEAD ", b"POST ", b"PATCH ", b"PUT ", b"DELETE ", b"OPTIONS ")
BYTES_AT_ONCE = 65_536


class Wire:
    """Passes bytes on to a server from a port of its own, until the end of the `with` statement.

    What is done to it is done to connections that exist as well as to new ones. The server may be named later than the address of the wire, which then
    can be its public one.
    """

    def __init__(self, server=None):
        self.server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._flows = threading.Event()
        self._flows.set()
        self._is_cut, self._connections = False, set()
        self._cut_prefix, self._cut_bytes, self._cut_times = "", 0, 0
        self._swallow_prefix, self._swallow_times = "", 0
        self.cut_count, self.swallowed_count = 0, 0

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._flows.set()
        self.cut()
        # Closing alone would not wake the thread that waits for the next connection.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}"

    def cut_after_bytes_up(self, count, prefix="POST /v2/", times=1):
        """Cuts the next requests that begin as told, after so many of their bytes have gone up.

        A browser by itself sends a request again whose kept connection ended without an answer: one loss may not reach the page at all, two do.
        """
        with self._lock:
            self._cut_prefix, self._cut_bytes, self._cut_times = prefix, count, times

    def swallow_next_answer(self, prefix="POST /v2/", times=1):
        """Lets the service do what the next requests that begin as told ask for, and loses its answers; see above for what one loss does."""
        with self._lock:
            self._swallow_prefix, self._swallow_times = prefix, times

    def cut(self):
        """Ends all connections, and refuses new ones."""
        with self._lock:
            self._is_cut = True
            connections = list(self._connections)
        for connection in connections:
            connection.close()

    def stall(self):
        """Lets nothing through, and tells nobody."""
        self._flows.clear()

    def restore(self):
        """Lets everything through again, as if nothing had been done."""
        with self._lock:
            self._is_cut, self._cut_times, self._swallow_times = False, 0, 0
        self._flows.set()

    def _accept(self):
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client):
        connection = _Connection(client)
        try:
            if self._is_cut:
                return
            connection.server = socket.create_connection(("127.0.0.1", self.server.port))
            with self._lock:
                self._connections.add(connection)
            down = threading.Thread(target=self._pass_down, args=(connection,), daemon=True)
            down.start()
            self._pass_up(connection)
            down.join()
        except OSError:
            # Either side went away, which is what wires are here for.
            pass
        finally:
            connection.close()
            with self._lock:
                self._connections.discard(connection)

    def _pass_up(self, connection):
        left = None
        while data := connection.client.recv(BYTES_AT_ONCE):
            self._flows.wait()
            if data.startswith(METHODS):
                left = self._begin(connection, data)
            if left is not None:
                data, left = data[:left], left - len(data)
            connection.server.sendall(data)
            if left is not None and left <= 0:
                connection.close()
                return
        connection.server.shutdown(socket.SHUT_WR)

    def _begin(self, connection, data):
        """Looks at the begin of a request; the answer is how many bytes of it go up, if not all."""
        with self._lock:
            connection.is_swallowed = self._swallow_times > 0 and data.startswith(self._swallow_prefix.encode())
            if connection.is_swallowed:
                self._swallow_times -= 1
            if self._cut_times == 0 or not data.startswith(self._cut_prefix.encode()):
                return None
            self._cut_times -= 1
            self.cut_count += 1
            return self._cut_bytes

    def _pass_down(self, connection):
        try:
            while data := connection.server.recv(BYTES_AT_ONCE):
                self._flows.wait()
                if connection.is_swallowed:
                    self.swallowed_count += 1
                    break
                connection.client.sendall(data)
            if connection.is_swallowed:
                connection.close()
            else:
                connection.client.shutdown(socket.SHUT_WR)
        except OSError:
            connection.close()


class _Connection:
    """Both ends of one connection."""

    def __init__(self, client):
        self.client, self.server, self.is_swallowed = client, None, False

    def close(self):
        """Resets both ends, as a lost connection does, rather than saying goodbye."""
        for end in [self.client, self.server]:
            if end is None:
                continue
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(OSError):
                end.close()
