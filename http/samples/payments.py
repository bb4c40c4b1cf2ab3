#!/usr/bin/env python3
"""A payment service to begin with: it checks who asks, has each top-up paid once, and says the same whenever it is asked again.

    PERSONAS_PAYMENT_SECRET=whsec_… python3 payments.py 8090 payments.sqlite
"""
import base64, hmac, http.server, json, os, sqlite3, sys, time  # noqa: E401

SECRET = base64.b64decode(os.environ["PERSONAS_PAYMENT_SECRET"].removeprefix("whsec_"))
AMOUNT_MAX = int(os.environ.get("AMOUNT_MAX", "1000"))
DATABASE = sqlite3.connect(sys.argv[2], isolation_level=None)
DATABASE.execute("CREATE TABLE IF NOT EXISTS top_up (id TEXT PRIMARY KEY, answer TEXT NOT NULL)")


class Payments(http.server.BaseHTTPRequestHandler):
    timeout = 10  # seconds for one that connects and says nothing

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        top_up_id, sent_at, signature = (self.headers.get(f"webhook-{part}", "") for part in ("id", "timestamp", "signature"))
        code = base64.b64encode(hmac.digest(SECRET, f"{top_up_id}.{sent_at}.".encode() + body, "sha256"))
        if not hmac.compare_digest(b"v1," + code, signature.encode()) or abs(time.time() - int(sent_at)) > 300:
            return self.send_error(401)
        # Here a card is charged, under the same id, so that whoever does it does it once as well.
        status = "paid" if json.loads(body)["data"]["amount"] <= AMOUNT_MAX else "declined"
        answer = json.dumps({"status": status, "reference": f"bill {top_up_id}"})
        DATABASE.execute("INSERT OR IGNORE INTO top_up VALUES (?, ?)", (top_up_id, answer))
        answer = DATABASE.execute("SELECT answer FROM top_up WHERE id = ?", (top_up_id,)).fetchone()[0].encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Payments)
print(f"listening at http://127.0.0.1:{server.server_port}/", flush=True)
server.serve_forever()
