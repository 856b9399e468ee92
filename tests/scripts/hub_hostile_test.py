"""The hub against those who wish it ill: whatever they send, it answers clearly, tells nothing, and goes on.

One hub for all: what one of them broke, the next would see.
"""

import gzip
import json
import os
import random
import socket
import ssl
import subprocess
import sys
import threading
import time
import unittest
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from hub_test import FLOW, Operator, send  # noqa: E402
from stand import Stand, wait_until  # noqa: E402


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stand = Stand()
        cls.hub = cls.stand.start_hub()
        cls.token = subprocess.run([cls.stand.program("runnel-hub"), "token", "create", "test", "--data", cls.stand.path("hub")], check=True, text=True,
                                   stdout=subprocess.PIPE).stdout.strip()
        cls.operator = Operator(cls.hub, cls.token)
        cls.operator.ask("POST", "flows", {"text": FLOW % "one", "message": "one"}, 201)
        cls.beat({"agentInfo": {"identifier": "victim", "agentClass": "trucks"}, "flowInfo": {}})

    @classmethod
    def tearDownClass(cls):
        cls.stand.__exit__(None, None, None)

    def tearDown(self):
        self.assertTrue(self.hub.is_running())
        self.assertEqual(send(self.hub.operators, "GET", "/healthz", ca=self.hub.ca).status, 200)

    @classmethod
    def beat(cls, body, path="/efm/api/c2-protocol/heartbeat", **headers):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        return send(cls.hub.agents, "POST", path, body, {"Content-Type": "application/json", "Authorization": "Bearer " + cls.hub.token, **headers}, cls.hub.ca)

    def rest(self, method, path, body=None, **headers):
        return send(self.hub.operators, method, path, body, {"Authorization": "Bearer " + self.token, "Content-Type": "application/json", **headers}, self.hub.ca)

    def raw(self, url, text, seconds=10):
        """What comes back for bytes that no client library would send."""
        parts = urllib.parse.urlsplit(url)
        with socket.create_connection((parts.hostname, parts.port), timeout=seconds) as plain:
            with ssl.create_default_context(cafile=self.hub.ca).wrap_socket(plain, server_hostname=parts.hostname) as line:
                answer = b""
                try:
                    line.sendall(text)
                    while chunk := line.recv(65536):
                        answer += chunk
                        if len(answer) > 1 << 20:
                            break
                except (TimeoutError, ssl.SSLError, ConnectionError):
                    pass
                return answer

    def routes(self):
        for pattern, operations in self.operator.document["paths"].items():
            for method in operations:
                yield method.upper(), pattern

    # ---- REST

    def test_no_body_of_any_shape_gets_more_than_a_clear_refusal(self):
        random.seed(1)
        values = [None, True, 0, -1, 1 << 63, 1e308, "", "x" * 5000, "\0", "\ud800", "../../etc/passwd", [], [[]], {}, {"a": {}}, [None] * 100]
        bodies = [b"", b"{", b"null", b"[]", b'"x"', b"{}", b"\xff\xfe", b'{"a":' * 200 + b"1" + b"}" * 200, b"[" * 60_000, b'{"text":1e999}', b'{"\\u0000":1}', b"0" * 60_000]
        for method, pattern in self.routes():
            if method == "GET" or pattern.endswith("/logout"):
                continue
            path = pattern.replace("{id}", "victim").replace("{name}", "trucks").replace("{class}", "trucks").replace("{v}", "1")
            keys = self.operator.operation(method, path).get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "")
            shape = self.operator.document["components"]["schemas"].get(keys.rsplit("/", 1)[-1], {}).get("properties", {})
            made = [json.dumps({key: random.choice(values) for key in shape}).encode() for _ in range(40)]
            for body in bodies + made:
                answer = self.rest(method, path, body)
                with self.subTest(method=method, path=path, body=body[:80]):
                    if method == "DELETE":
                        self.assertLess(answer.status, 500)
                        continue
                    self.assertIn(answer.status, (400, 401, 404, 409, 413, 422, 429) if body in bodies else (200, 201, 202, 400, 401, 404, 409, 413, 422, 429), answer.body[:300])
                    if answer.status >= 400:
                        self.assertTrue(answer.json["detail"])

    def test_no_query_of_any_shape_breaks_a_listing(self):
        for method, pattern in self.routes():
            if method != "GET":
                continue
            path = pattern.replace("{id}", "victim").replace("{name}", "demo").replace("{class}", "trucks").replace("{v}", "1")
            for query in ("limit=-1", "limit=999999999999999999999", "offset=-5", "offset=18446744073709551615", "limit=%zz", "sort=%00", "q=%ff%fe", "since=-1", "before=x", "from=0&to=-1",
                          "from_ms=9223372036854775807&to_ms=-9223372036854775808", "from_ms=0&to_ms=9223372036854775807&step_ms=1", "step_ms=0", "step_ms=-1", "series=" + "a," * 4000, "&&&===",
                          "class=" + "%2e%2e%2f" * 100, "version=x"):
                with self.subTest(path=path, query=query):
                    answer = self.rest("GET", path + "?" + query)
                    self.assertIn(answer.status, (200, 400, 404, 414, 422), answer.body[:200])

    def test_wrong_methods_are_refused_everywhere(self):
        for pattern in self.operator.document["paths"]:
            path = pattern.replace("{", "").replace("}", "")
            for method in ("PUT", "PATCH", "TRACE", "CONNECT", "PROPFIND", "BREW"):
                with self.subTest(path=path, method=method):
                    self.assertIn(self.rest(method, path).status, (400, 404, 405, 501))

    def test_no_path_leads_out_of_the_pages(self):
        for path in ("/../../etc/passwd", "/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/assets/../../hub.db", "/assets/%2e%2e%2fserver.pem", "//etc/passwd", "/\\..\\..\\hub.db", "/.%00./x",
                     "/api/v1/flows/..%2f..%2fhub.db", "/api/v1/agents/%00", "/api/v1/agents/" + "a" * 8000, "/api/v1/flows/demo/versions/..%2f1/text", "/%c0%ae%c0%ae/etc/passwd"):
            for answer in (self.raw(self.hub.operators, f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.token}\r\nConnection: close\r\n\r\n".encode()),
                           self.raw(self.hub.agents, f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.hub.token}\r\nConnection: close\r\n\r\n".encode())):
                with self.subTest(path):
                    self.assertNotIn(b"root:", answer)
                    self.assertNotIn(b"PRIVATE KEY", answer)
                    self.assertNotIn(b"SQLite format", answer)
                    self.assertNotIn(b" 500 ", answer[:20])

    def test_broken_requests_end_with_their_connection(self):
        head = f"POST /api/v1/flows HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.token}\r\nContent-Type: application/json\r\n"
        for rest in ("Transfer-Encoding: chunked\r\n\r\nzz\r\nxx\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx", "Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n",
                     "Content-Length: -1\r\n\r\n", "Content-Length: 99999999999999999999\r\n\r\n{}", "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x", "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
                     "Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00", "Content-Encoding: br\r\nContent-Length: 2\r\n\r\n{}", "X: " + "y" * 100_000 + "\r\n\r\n", "No colon\r\n\r\n", "A: b\r\n" * 500 + "\r\n"):
            with self.subTest(rest[:60]):
                answer = self.raw(self.hub.operators, (head + "Connection: close\r\n" + rest).encode("latin-1"), seconds=3)
                self.assertNotIn(b" 500 ", answer[:20])
                self.assertNotIn(b"HTTP/1.1 2", answer[:20])
        for nonsense in (b"\0" * 1000, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\n\r\n", os.urandom(5000)):
            self.raw(self.hub.operators, nonsense, seconds=3)
            self.raw(self.hub.agents, nonsense, seconds=3)

    def test_a_bomb_of_gzip_costs_no_more_than_its_bound(self):
        before = self.memory()
        bomb = gzip.compress(bytes(600 << 20))
        for _ in range(3):
            self.assertEqual(self.rest("POST", "/api/v1/flows", bomb, **{"Content-Encoding": "gzip"}).status, 413)
            self.assertEqual(self.beat(bomb, **{"Content-Encoding": "gzip"}).status, 413)
        self.assertLess(self.memory() - before, 300 << 20)

    def memory(self):
        with open(f"/proc/{self.hub.process.pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * 4096

    # ---- agents

    def test_poison_in_a_heartbeat_is_refused_or_left_out(self):
        fine = {"agentInfo": {"identifier": "poisoner", "agentClass": "trucks"}}
        for body, statuses in (
                (b'{"agentInfo":{"identifier":"poisoner"},"x":' + b"[" * 5000 + b"]" * 5000 + b"}", (400,)),
                (b'{"a":' * 100_000, (400,)),
                (b'{"agentInfo":{"identifier":"poisoner","identifier":"other"}}', (200, 400)),
                (b'{"agentInfo":{"identifier":"poi\xffsoner"}}', (400,)),
                (b'{"agentInfo":{"identifier":"\\ud800"}}', (400,)),
                (b'{"agentInfo":{"identifier":"poisoner"},"flowInfo":{"queues":{"q":{"size":1e400,"dataSize":-9e99,"sizeMax":99999999999999999999}}}}', (200, 400)),
                (json.dumps({**fine, "flowInfo": {"queues": {str(i): {"size": (1 << 63) - 1, "dataSize": (1 << 63) - 1} for i in range(100)}}}).encode(), (200,)),
                (json.dumps({**fine, "agentInfo": {"identifier": "poisoner", "status": {"uptime": -1, "repositories": 5}}}).encode(), (200, 400)),
                (json.dumps({**fine, "flowInfo": {"processorBulletins": [{"id": i, "message": "x" * 100_000, "level": "ERROR"} for i in range(20)]}}).encode(), (200,)),
                (json.dumps({**fine, "agentInfo": {"identifier": "poisoner", "agentManifest": {"bundles": [[[]]], "supportedOperations": "x"}}}).encode(), (200, 400)),
                (json.dumps({**fine, "runnel": {"boot": 5, "interval_ms": -(1 << 62), "sequence": "x", "ledger": {"in": (1 << 63) - 1, "out": -(1 << 63), "queued": 1 << 62}}}).encode(), (200, 400)),
                (json.dumps({**fine, "runnel": {"boot": "b", "interval_ms": (1 << 63) - 1, "ledger": {"in": (1 << 63) - 1, "out": (1 << 63) - 1, "queued": (1 << 63) - 1}}}).encode(), (200, 400)),
                (b'{"agentInfo":{"identifier":"poisoner"},"pad":"' + b"x" * (15 << 20) + b'"}', (200,)),
                (b'{"agentInfo":{"identifier":"poisoner"},"pad":"' + b"x" * (17 << 20) + b'"}', (413,)),
                (json.dumps({"agentInfo": {"identifier": "../../etc/passwd<script>", "agentClass": "'; DROP TABLE agents; --"}}).encode(), (200,)),
        ):
            for path in ("/efm/api/c2-protocol/heartbeat", "/c2/config/heartbeat"):
                with self.subTest(body=body[:100], path=path):
                    try:
                        answer = self.beat(body, path)
                    except (ssl.SSLError, ConnectionError):
                        if 413 in statuses:
                            continue  # it was not read to its end
                        raise
                    self.assertIn(answer.status, statuses, answer.body[:300])
                    if answer.status != 200:
                        self.assertNotIn(b"requestedOperations", answer.body)
        for path in ("overview", "agents", "agents/poisoner", "agents/victim", "classes", "events", "agents?sort=-queued_count", "agents?sort=queued_bytes"):
            self.operator.get(path)
        time.sleep(1.2)  # a flush, a sweep
        self.assertTrue(self.hub.is_running())

    def test_an_acknowledgement_of_what_was_never_asked_changes_nothing(self):
        before = self.operator.get("agents/victim")["operations"]
        for body in (b"{}", b"[]", b'{"operationId":"x"}', b'{"operationId":"x","operationState":{"state":"FULLY_APPLIED"},"agentInfo":{"identifier":"victim"}}', b'{"operationId":5}', b"\xff", b'{"operationId":"' + b"x" * 100_000 + b'"}'):
            for path in ("/efm/api/c2-protocol/acknowledge", "/c2/config/acknowledge"):
                self.assertIn(self.beat(body, path).status, (200, 400))
        self.assertEqual(self.operator.get("agents/victim")["operations"], before)

    def test_many_half_open_connections_leave_room_for_others(self):
        parts = urllib.parse.urlsplit(self.hub.operators)
        lines = [socket.create_connection((parts.hostname, parts.port)) for _ in range(30)]
        try:
            began = time.monotonic()
            self.assertEqual(send(self.hub.operators, "GET", "/healthz", ca=self.hub.ca).status, 200)
            self.assertLess(time.monotonic() - began, 5)
        finally:
            for line in lines:
                line.close()

    def test_random_bytes_within_good_heartbeats_break_nothing(self):
        random.seed(7)
        good = json.dumps({"operation": "heartbeat", "agentInfo": {"identifier": "random", "agentClass": "trucks", "agentManifestHash": "h", "status": {"uptime": 5}},
                           "deviceInfo": {"networkInfo": {"hostname": "h"}}, "flowInfo": {"flowId": "f", "queues": {"q": {"size": 1}}, "runStatus": "RUNNING"},
                           "runnel": {"boot": "b", "interval_ms": 1000}}).encode()
        failures = []

        def some():
            for _ in range(150):
                body = bytearray(good)
                for _ in range(random.randint(1, 6)):
                    body[random.randrange(len(body))] = random.randrange(256)
                status = self.beat(bytes(body)).status
                if status not in (200, 400):
                    failures.append((status, bytes(body)))

        threads = [threading.Thread(target=some) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
