"""curl -> ListenHTTP -> InvokeHTTP -> a web server, with the real agent, which is killed in between: what was answered with 200 arrives."""

import http.server
import os
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
from stand import Stand, free_port, wait_until  # noqa: E402

FLOW = """
flow: relay
processors:
  posted:
    type: ListenHTTP
    properties: {{Base Path: in, Listening Port: "{port}", Listening Address: 127.0.0.1, Maximum Body Size: 200 MB{tls}}}
  sent:
    type: InvokeHTTP
    properties: {{HTTP Method: POST, Remote URL: "{url}", Read Timeout: 5 s}}
    penalty_period: 200 ms
    retry:
      retry: {{attempts: forever, backoff: 100ms..500ms}}
      failure: {{attempts: forever, backoff: 100ms..500ms}}
    terminate: [success, response, retry, no retry, failure]
connections:
  - {{from: posted, to: sent, back_pressure: {{count: 50, size: 300 MB}}}}
"""


class Receiver:
    """A web server that keeps what is posted to it; while `is_broken` it answers 503."""

    def __init__(self):
        receiver = self
        self.bodies, self.large, self.is_broken = [], [], False

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                left = int(self.headers["Content-Length"])
                if left > 1 << 20:
                    receiver.large.append(left)
                    while left > 0:
                        left -= len(self.rfile.read(min(left, 1 << 16)))
                    body = b""
                else:
                    body = self.rfile.read(left)
                if receiver.is_broken:
                    status = 503
                else:
                    status = 200
                    if body:
                        receiver.bodies.append(body.decode())
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def curl(url, *options, body=None, seconds=60):
    """The status, or 0 where there was no answer."""
    data = ["--data-binary", body] if body is not None else []
    done = subprocess.run(["curl", "-s", "-o", os.devnull, "-w", "%{http_code}", "--max-time", "20", *data, *options, url],
                          stdout=subprocess.PIPE, text=True, timeout=seconds, check=False)
    return int(done.stdout or 0)


def resident_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


class Http(unittest.TestCase):
    def setUp(self):
        self.receiver = Receiver()
        self.addCleanup(self.receiver.close)
        stand = Stand()
        stand.__enter__()
        self.addCleanup(stand.__exit__, None, None, None)
        self.stand = stand
        self.port = free_port()

    def write_flow(self, tls=""):
        path = self.stand.path("relay.yaml")
        with open(path, "w", encoding="utf-8") as flow:
            flow.write(FLOW.format(port=self.port, url=self.receiver.url, tls=tls))
        return path

    def start(self, flow, scheme="http", *options):
        agent = self.stand.start_flow("relay", flow)
        wait_until("ListenHTTP answers", lambda: curl(f"{scheme}://127.0.0.1:{self.port}/in", "-I", *options) == 200)
        return agent

    def test_every_200_that_curl_saw_arrives_though_the_agent_is_killed(self):
        flow = self.write_flow()
        url = f"http://127.0.0.1:{self.port}/in"
        answered, statuses, is_over = [], set(), threading.Event()
        lock = threading.Lock()

        def load(name):
            number = 0
            while not is_over.is_set():
                number += 1
                body = f"{name}-{number}"
                status = curl(url, body=body)
                with lock:
                    statuses.add(status)
                    if status == 200:
                        answered.append(body)
                if status != 200:
                    time.sleep(0.05)

        agent = self.start(flow)
        clients = [threading.Thread(target=load, args=(f"c{i}",)) for i in range(4)]
        for client in clients:
            client.start()
        try:
            for kill in range(5):
                # Every second time what is taken in has to wait.
                self.receiver.is_broken = kill % 2 == 1
                seen = len(answered)
                wait_until("some are answered", lambda: len(answered) >= seen + 15)
                agent.kill()
                agent = self.start(flow)
            self.receiver.is_broken = True
            wait_until("the queue is full", lambda: 503 in statuses, 60)
        finally:
            is_over.set()
            for client in clients:
                client.join()
        self.receiver.is_broken = False
        wait_until("all have arrived", lambda: set(answered) <= set(self.receiver.bodies), 90)
        self.assertGreater(len(answered), 75)
        self.assertEqual(agent.end(), 0)

    def test_a_large_body_goes_through_without_being_held_in_memory(self):
        agent = self.start(self.write_flow())
        large = self.stand.path("large")
        with open(large, "wb") as file:
            file.truncate(150 << 20)
        before = resident_mib(agent.process.pid)
        self.assertEqual(curl(f"http://127.0.0.1:{self.port}/in", body="@" + large), 200)
        wait_until("it arrives", lambda: self.receiver.large == [150 << 20], 60)
        grown = resident_mib(agent.process.pid) - before
        self.assertLess(grown, 24, "MiB more in memory for a body of 150 MiB")

    def test_tls_with_a_client_certificate(self):
        folder = self.stand.path("tls")
        os.makedirs(folder)

        def openssl(*words):
            subprocess.run(["openssl", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        for name in ("server", "truck"):
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{name}.key", "-out", f"{name}.pem")
        flow = self.write_flow(f', SSL Certificate: {folder}/server.pem, SSL Private Key: {folder}/server.key, '
                               f'SSL Certificate Authority: {folder}/truck.pem, SSL Verify Peer: "yes"')
        trusted = ["--cacert", f"{folder}/server.pem"]
        shown = [*trusted, "--cert", f"{folder}/truck.pem", "--key", f"{folder}/truck.key"]
        self.start(flow, "https", *shown)
        url = f"https://127.0.0.1:{self.port}/in"
        self.assertEqual(curl(url, *trusted, body="nobody"), 0)
        self.assertEqual(curl(url, *shown, body="truck"), 200)
        wait_until("it arrives", lambda: self.receiver.bodies == ["truck"])


if __name__ == "__main__":
    unittest.main()
