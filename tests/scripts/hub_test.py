"""The hub as a process: what operators do survives kill -9, real agents converge, foreign agents are answered as they need it, strangers are refused.

Every JSON answer is checked against the OpenAPI document that the hub gives of itself.
"""

import gzip
import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
import unittest
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
from stand import Stand, wait_until  # noqa: E402

FLOW = """flow: demo
processors:
  make:
    type: GenerateFlowFile
    properties: {Custom Text: "%s", Unique FlowFiles: "false", Data Format: Text}
    schedule: {every: 100 ms}
  log:
    type: LogAttribute
    terminate: [success]
connections:
  - {name: line, from: make, to: log}
"""


def conforms(value, schema, document, where="answer"):
    """What is wrong with a value, or None: as much of JSON Schema as the document uses."""
    if "$ref" in schema:
        return conforms(value, document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], document, where)
    if "anyOf" in schema:
        wrongs = [conforms(value, each, document, where) for each in schema["anyOf"]]
        return None if None in wrongs else wrongs[0]
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "integer": int, "number": (int, float)}
    kind = schema.get("type")
    if kind and (not isinstance(value, kinds[kind]) or (kind in ("integer", "number") and isinstance(value, bool))):
        return f"{where} is no {kind}: {value!r}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{where} is none of {schema['enum']}: {value!r}"
    if kind == "array":
        return next((wrong for i, each in enumerate(value) if (wrong := conforms(each, schema["items"], document, f"{where}[{i}]"))), None)
    if kind == "object" and "properties" in schema:
        missing = set(schema.get("required", ())) - set(value)
        unknown = set(value) - set(schema["properties"])
        if missing or unknown:
            return f"{where}: missing {sorted(missing)}, unknown {sorted(unknown)}"
        return next((wrong for key, each in value.items()
                     if (wrong := conforms(each, schema["properties"][key], document, f"{where}.{key}"))), None)
    return None


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


def send(url, method, path, body=None, headers=None, ca=None):
    """One request on a connection of its own."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=20, context=ssl.create_default_context(cafile=ca))
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


class Operator:
    """The REST API with a token; each answer is held against the OpenAPI document."""

    def __init__(self, hub, token):
        self.hub, self.token = hub, token
        self.document = send(hub.operators, "GET", "/api/v1/openapi.json", ca=hub.ca).json

    def operation(self, method, path):
        path = path.split("?")[0]
        for pattern, operations in self.document["paths"].items():
            if re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", pattern), path) and method.lower() in operations:
                return operations[method.lower()]
        raise AssertionError(f"{method} {path} is not in the OpenAPI document")

    def ask(self, method, path, body=None, status=None):
        path = "/api/v1/" + path
        headers = {"Authorization": "Bearer " + self.token}
        if body is not None:
            headers["Content-Type"] = "application/json"
        answer = send(self.hub.operators, method, path, None if body is None else json.dumps(body), headers, self.hub.ca)
        assert status is None or answer.status == status, f"{method} {path}: {answer.status} {answer.body[:500]}"
        declared = self.operation(method, path)["responses"]
        good = {key: each for key, each in declared.items() if key != "default"}
        content = (next(iter(good.values())) if answer.status < 400 else declared["default"]).get("content")
        if content:
            wrong = conforms(answer.json, next(iter(content.values()))["schema"], self.document)
            assert wrong is None, f"{method} {path}: {wrong}"
        return answer

    def get(self, path):
        return self.ask("GET", path, status=200).json


class HubTest(unittest.TestCase):
    def setUp(self):
        self.stand = Stand()
        self.addCleanup(self.stand.__exit__, None, None, None)

    def start(self):
        hub = self.stand.start_hub(None, "--heartbeat", "1 sec")
        if not hasattr(self, "token"):
            self.token = subprocess.run([self.stand.program("runnel-hub"), "token", "create", "test", "--data", self.stand.path("hub")],
                                        check=True, text=True, stdout=subprocess.PIPE).stdout.strip()
        self.operator = Operator(hub, self.token)
        return hub

    def push(self, text, message="a change", status=201):
        return self.operator.ask("POST", "flows", {"text": text, "message": message}, status).json

    def deploy(self, version, of_class="trucks", status=201, **more):
        return self.operator.ask("POST", "deployments", {"class": of_class, "flow": "demo", "version": version, **more}, status).json

    def heartbeat(self, hub, path="/efm/api/c2-protocol/heartbeat", headers=None, **parts):
        body = {"operation": "heartbeat", "agentInfo": {"identifier": "truck-1", "agentClass": "trucks", "agentManifestHash": "h1"}, "flowInfo": {}, **parts}
        return self.agent_send(hub, "POST", path, json.dumps(body), headers)

    def agent_send(self, hub, method, path, body=None, headers=None):
        return send(hub.agents, method, path, body,
                    {"Content-Type": "application/json", "Authorization": "Bearer " + hub.token, **(headers or {})}, hub.ca)


class Survival(HubTest):
    def test_no_flow_no_deployment_and_no_user_is_lost_by_kill_9(self):
        hub = self.start()
        self.push(FLOW % "one")
        self.push(FLOW % "two")
        self.deploy(2)
        self.heartbeat(hub)
        subprocess.run([self.stand.program("runnel-hub"), "user", "add", "eve", "--role", "viewer", "--data", self.stand.path("hub")],
                       check=True, stdout=subprocess.DEVNULL)
        time.sleep(1.2)  # agents are written in batches
        self.deploy(1)
        hub.kill()
        hub = self.start()
        flow = self.operator.get("flows/demo")
        self.assertEqual([each["version"] for each in flow["versions"]], [2, 1])
        self.assertEqual(self.operator.get("flows/demo/versions/1")["text"], FLOW % "one")
        self.assertEqual(self.operator.get("deployments/trucks")["version"], 1)
        self.assertEqual([each["id"] for each in self.operator.get("agents")["items"]], ["truck-1"])
        users = subprocess.run([self.stand.program("runnel-hub"), "user", "list", "--json", "--data", self.stand.path("hub")],
                               check=True, text=True, stdout=subprocess.PIPE).stdout
        self.assertEqual([each["name"] for each in json.loads(users)], ["admin", "eve"])

    def test_it_ends_at_sigterm_within_five_seconds(self):
        hub = self.start()
        began = time.monotonic()
        self.assertEqual(hub.end(signal.SIGTERM), 0)
        self.assertLess(time.monotonic() - began, 5)

    def test_two_hubs_do_not_share_a_folder(self):
        self.start()
        second = subprocess.run([self.stand.program("runnel-hub"), "serve", "--data", self.stand.path("hub"), "--operators", "127.0.0.1:0",
                                 "--agents", "127.0.0.1:0"], capture_output=True, text=True, timeout=30)
        self.assertEqual(second.returncode, 1)
        self.assertIn("another hub", second.stderr)


class Rest(HubTest):
    def test_every_listing_is_as_the_document_says(self):
        hub = self.start()
        self.push(FLOW % "one")
        self.push(FLOW % "two")
        self.deploy(1)
        self.heartbeat(hub, runnel={"boot": "b", "sequence": 1, "interval_ms": 5000, "health": {"state": "ok"}},
                       deviceInfo={"networkInfo": {"hostname": "cab"}},
                       flowInfo={"queues": {"q1": {"name": "line", "size": 3, "sizeMax": 10, "dataSize": 30, "dataSizeMax": 100}}})
        for path in ("overview", "overview/metrics", "agents", "agents/truck-1", "agents/truck-1/metrics", "agents/truck-1/operations",
                     "classes", "classes/trucks", "flows", "flows/demo", "flows/demo/versions/latest", "flows/demo/versions/1/check?class=trucks",
                     "flows/demo/diff?from=1&to=2", "flows/demo/metrics", "flows/demo/status", "deployments", "deployments/trucks",
                     "events", "tokens", "me"):
            with self.subTest(path):
                self.operator.get(path)
        diff = self.operator.get("flows/demo/diff?from=1&to=2")
        self.assertEqual((diff["added_lines"], diff["removed_lines"]), (1, 1))
        self.assertEqual(self.operator.get("agents?q=CAB&sync=pending,applying")["total"], 1)
        self.assertEqual(self.operator.get("agents?q=nowhere")["total"], 0)
        self.assertEqual(self.operator.get("agents/truck-1")["queues"][0]["queued_count"], 3)

    def test_pushing_the_same_text_again_makes_no_version(self):
        self.start()
        self.push(FLOW % "one")
        again = self.push(FLOW % "one", status=200)
        self.assertEqual((again["version"], again["is_new"]), (1, False))

    def test_a_bad_flow_is_refused_with_its_places(self):
        self.start()
        refused = self.push("flow: demo\nprocesors: {}\n", status=422)
        self.assertEqual(refused["complaints"][0]["line"], 2)
        self.assertIn("did you mean", refused["complaints"][0]["message"])

    def test_bad_requests_are_refused_by_name(self):
        self.start()
        for method, path, body, status in (
                ("POST", "flows", {"text": "x"}, 422), ("POST", "flows", {"text": "x", "message": "y", "more": 1}, 422),
                ("POST", "deployments", {"class": "a/b", "flow": "demo", "version": 1}, 422),
                ("POST", "deployments", {"class": "trucks", "flow": "nothing", "version": 1}, 404),
                ("GET", "agents?limit=0", None, 400), ("GET", "agents?sort=nothing", None, 400), ("GET", "agents/ghost", None, 404),
                ("GET", "overview/metrics?series=ghost", None, 400), ("GET", "flows/ghost", None, 404)):
            with self.subTest(path=path, body=body):
                self.operator.ask(method, path, body, status)

    def test_deploying_to_another_number_of_agents_than_previewed_is_refused(self):
        hub = self.start()
        self.push(FLOW % "one")
        preview = self.operator.ask("POST", "deployments/preview", {"class": "trucks", "flow": "demo", "version": 1}, 200).json
        self.assertEqual(preview["agents_total"], 0)
        self.heartbeat(hub)
        refused = self.deploy(1, status=409, agents_expected=0)
        self.assertTrue(refused["type"].endswith("target-changed"))
        self.deploy(1, agents_expected=1)


class Strangers(HubTest):
    def test_plain_http_is_refused_beyond_loopback(self):
        self.start().end()
        refused = subprocess.run([self.stand.program("runnel-hub"), "serve", "--data", self.stand.path("hub"), "--operators", "0.0.0.0:0",
                                  "--plain-http"], capture_output=True, text=True, timeout=30)
        self.assertEqual(refused.returncode, 78)
        self.assertIn("loopback", refused.stderr)

    def test_nobody_gets_in_without_a_token_or_a_session(self):
        hub = self.start()
        self.assertEqual(send(hub.operators, "GET", "/api/v1/agents", ca=hub.ca).status, 401)
        self.assertEqual(send(hub.operators, "GET", "/api/v1/agents", headers={"Authorization": "Bearer rnl_00"}, ca=hub.ca).status, 401)
        self.assertEqual(self.heartbeat(hub, headers={"Authorization": "Bearer wrong"}).status, 401)
        self.assertEqual(send(hub.operators, "GET", "/healthz", ca=hub.ca).status, 200)

    def log_in(self, hub, password):
        return send(hub.operators, "POST", "/api/v1/login", json.dumps({"user": "admin", "password": password}),
                    {"Content-Type": "application/json"}, hub.ca)

    def test_a_session_changes_nothing_without_its_csrf_header(self):
        hub = self.start()
        session = self.log_in(hub, hub.password)
        self.assertEqual(session.status, 200)
        cookie = session.headers["Set-Cookie"]
        for word in ("__Host-runnel=", "Secure", "HttpOnly", "SameSite=Strict", "Path=/"):
            self.assertIn(word, cookie)
        headers = {"Cookie": cookie.split(";")[0], "Content-Type": "application/json"}
        body = json.dumps({"name": "x"})
        self.assertEqual(send(hub.operators, "GET", "/api/v1/me", headers=headers, ca=hub.ca).status, 200)
        self.assertEqual(send(hub.operators, "POST", "/api/v1/tokens", body, headers, hub.ca).status, 403)
        headers["X-Runnel-CSRF"] = session.json["csrf_token"]
        self.assertEqual(send(hub.operators, "POST", "/api/v1/tokens", body, headers, hub.ca).status, 201)
        self.assertEqual(send(hub.operators, "POST", "/api/v1/logout", None, headers, hub.ca).status, 204)
        self.assertEqual(send(hub.operators, "GET", "/api/v1/me", headers=headers, ca=hub.ca).status, 401)

    def test_wrong_passwords_are_counted(self):
        hub = self.start()
        statuses = [self.log_in(hub, f"wrong-password-{i}").status for i in range(11)]
        self.assertEqual(statuses[:10], [401] * 10)
        self.assertEqual(statuses[10], 429)
        self.assertEqual(self.log_in(hub, hub.password).status, 429)

    def test_a_viewer_may_look_and_not_touch(self):
        self.start()
        data = self.stand.path("hub")
        program = self.stand.program("runnel-hub")
        subprocess.run([program, "user", "add", "eve", "--role", "viewer", "--data", data], check=True, stdout=subprocess.DEVNULL)
        token = subprocess.run([program, "token", "create", "t", "--user", "eve", "--data", data], check=True, text=True,
                               stdout=subprocess.PIPE).stdout.strip()
        viewer = Operator(self.operator.hub, token)
        viewer.get("agents")
        viewer.ask("POST", "flows", {"text": FLOW % "x", "message": ""}, 403)

    def test_bodies_have_bounds(self):
        hub = self.start()
        bomb = gzip.compress(b" " * (200 * 1024 * 1024))
        self.assertEqual(self.agent_send(hub, "POST", "/efm/api/c2-protocol/heartbeat", bomb, {"Content-Encoding": "gzip"}).status, 413)
        self.assertEqual(self.agent_send(hub, "POST", "/efm/api/c2-protocol/heartbeat", b"not gzip", {"Content-Encoding": "gzip"}).status, 400)
        self.assertEqual(self.agent_send(hub, "POST", "/efm/api/c2-protocol/heartbeat", b"[" * 100_000).status, 400)
        headers = {"Authorization": "Bearer " + self.token, "Content-Type": "application/json"}
        self.assertEqual(send(hub.operators, "POST", "/api/v1/tokens", b"[" * 60_000, headers, hub.ca).status, 400)
        self.assertEqual(send(hub.operators, "POST", "/api/v1/tokens", b" " * 70_000, headers, hub.ca).status, 413)
        self.assertEqual(send(hub.operators, "GET", "/healthz", ca=hub.ca).status, 200)

    def test_every_answer_carries_the_policy(self):
        hub = self.start()
        for path in ("/", "/agents", "/api/v1/me", "/api/v1/nothing"):
            answer = send(hub.operators, "GET", path, ca=hub.ca)
            self.assertIn("default-src 'self'", answer.headers["Content-Security-Policy"], path)
            self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")


class ForeignAgents(HubTest):
    def test_an_idle_heartbeat_is_answered_by_a_list_in_both_layouts(self):
        hub = self.start()
        for path in ("/efm/api/c2-protocol/heartbeat", "/c2/config/heartbeat"):
            answer = self.heartbeat(hub, path, agentInfo={"identifier": "java-1", "agentClass": "plant"})
            self.assertEqual((answer.status, answer.json["requestedOperations"]), (200, []))

    def test_a_gzipped_heartbeat_is_read(self):
        hub = self.start()
        body = gzip.compress(json.dumps({"agentInfo": {"identifier": "zipped", "agentClass": "plant"}}).encode())
        self.assertEqual(self.agent_send(hub, "POST", "/c2/config/heartbeat", body, {"Content-Encoding": "gzip"}).status, 200)
        self.assertEqual(self.operator.get("agents?q=zipped")["total"], 1)

    def test_an_unknown_manifest_is_asked_for_once_and_then_known(self):
        hub = self.start()
        first = self.heartbeat(hub).json["requestedOperations"]
        self.assertEqual([(each["operation"], each["operand"]) for each in first], [("DESCRIBE", "manifest")])
        self.assertNotIn("null", json.dumps(first))
        self.assertEqual(self.heartbeat(hub).json["requestedOperations"], [])
        manifest = {"identifier": "m", "agentType": "minifi-java", "version": "2.3.0", "buildInfo": {"version": "2.3.0"}, "bundles": [],
                    "supportedOperations": [{"type": "DESCRIBE", "properties": {"MANIFEST": {}}}, {"type": "START", "properties": {"FLOW": {}}}]}
        ack = {"operationId": first[0]["identifier"], "operationState": {"state": "FULLY_APPLIED", "details": ""},
               "agentInfo": {"identifier": "truck-1", "agentClass": "trucks", "agentManifestHash": "h1", "agentManifest": manifest}}
        self.assertEqual(self.agent_send(hub, "POST", "/c2/config/acknowledge", json.dumps(ack)).json, {})
        agent = self.operator.get("agents/truck-1")
        self.assertEqual((agent["agent_type"], agent["agent_version"]), ("minifi-java", "2.3.0"))
        self.assertEqual(agent["operations_supported"], ["start/flow", "describe/manifest"])
        self.operator.ask("POST", "agents/truck-1/operations", {"operation": "stop", "operand": "flow"}, 409)
        self.operator.ask("POST", "agents/truck-1/operations", {"operation": "start", "operand": "flow"}, 202)
        sent = self.heartbeat(hub).json["requestedOperations"]
        self.assertEqual([(each["operation"], each["operand"]) for each in sent], [("START", "flow")])

    def test_a_flow_that_foreign_agents_cannot_read_is_not_released_to_them(self):
        hub = self.start()
        manifest = {"identifier": "m", "agentType": "minifi-java", "bundles": [], "supportedOperations": []}
        self.heartbeat(hub, agentInfo={"identifier": "java-1", "agentClass": "plant", "agentManifestHash": "j", "agentManifest": manifest})
        self.push(FLOW % "one")
        refused = self.deploy(1, of_class="plant", status=422)
        self.assertIn("minifi-java", refused["complaints"][0]["message"])

    def test_what_is_no_heartbeat_is_refused_and_holds_no_operations(self):
        hub = self.start()
        for body in ("", "null", "[]", "{}", '{"agentInfo": 3}', '{"agentInfo": {"identifier": "a b"}}'):
            answer = self.agent_send(hub, "POST", "/c2/config/heartbeat", body)
            self.assertEqual(answer.status, 400, body)
            self.assertNotIn(b"requestedOperations", answer.body)


class RealAgents(HubTest):
    def synced(self, *ids):
        agents = {each["id"]: each for each in self.operator.get("agents")["items"]}
        return all(each in agents and agents[each]["sync"] == "in_sync" for each in ids)

    def test_three_agents_register_converge_and_come_back(self):
        self.start()
        names = ["truck-1", "truck-2", "truck-3"]
        agents = {name: self.stand.start_agent(name) for name in names}
        wait_until("all register", lambda: self.operator.get("agents?connectivity=online")["total"] == 3)
        wait_until("their manifest is known", lambda: all(each["agent_type"] == "runnel" and each["agent_version"]
                                                          for each in self.operator.get("agents")["items"]))
        # What they cannot run is refused at release, with the complaints of `runnel-agent check`.
        self.push((FLOW % "one").replace("LogAttribute", "LogAttributes"))
        refused = self.deploy(1, status=422)
        self.assertIn("LogAttribute", json.dumps(refused["complaints"]))
        self.push(FLOW % "two")
        self.deploy(2)
        wait_until("all run version 2", lambda: self.synced(*names), seconds=60)
        detail = self.operator.get("agents/truck-1")
        self.assertEqual(detail["flow_reported"], {"name": "demo", "version": 2})
        self.assertEqual({node["name"] for node in detail["graph"]["nodes"]}, {"make", "log"})
        self.assertEqual({each["id"] for each in detail["processors"]}, {node["id"] for node in detail["graph"]["nodes"]})
        wait_until("rates are known", lambda: (self.operator.get("agents/truck-1")["in_records_per_s"] or 0) > 1)
        # One is away while version 3 goes out.
        agents["truck-3"].kill()
        self.push(FLOW % "three")
        self.deploy(3)
        wait_until("two run version 3", lambda: self.synced("truck-1", "truck-2"), seconds=60)
        self.assertEqual(self.operator.get("agents?q=truck-3")["items"][0]["sync"], "pending")
        # The hub is killed; nothing of it is lost, and the third agent finds what it missed.
        self.stand.hub.kill()
        self.start()
        self.stand.start_agent("truck-3")
        wait_until("all run version 3", lambda: self.synced(*names), seconds=90)
        # A processor is stopped on one.
        self.operator.ask("POST", "agents/truck-1/operations", {"operation": "stop", "operand": "processor", "target": "make"}, 202)
        wait_until("it stands still", lambda: [each["run_state"] for each in self.operator.get("agents/truck-1")["processors"]
                                               if each["name"] == "make"] == ["stopped"])

    def test_a_stopped_class_stops_agents_that_join_or_start_anew(self):
        self.start()
        agent = self.stand.start_agent("truck-1")
        wait_until("it registers", lambda: self.operator.get("agents?connectivity=online")["total"] == 1)
        self.push(FLOW % "one")
        self.deploy(1)
        wait_until("it runs", lambda: self.run_state("truck-1") == "running" and self.synced("truck-1"), seconds=60)
        self.operator.ask("POST", "classes/trucks/operations", {"operation": "stop", "operand": "flow"}, 202)
        wait_until("it stands still", lambda: self.run_state("truck-1") == "stopped")
        agent.kill()
        self.stand.start_agent("truck-1")
        self.stand.start_agent("truck-2")
        for name in ("truck-1", "truck-2"):
            wait_until(f"{name} runs the flow and stands still", lambda: self.synced(name) and self.run_state(name) == "stopped", seconds=60)
        self.assertEqual(self.operator.get("classes/trucks")["run_wanted"]["author"], "admin")
        self.operator.ask("POST", "classes/trucks/operations", {"operation": "start", "operand": "flow"}, 202)
        wait_until("both run", lambda: [self.run_state(name) for name in ("truck-1", "truck-2")] == ["running", "running"])

    def run_state(self, name):
        answer = self.operator.ask("GET", f"agents/{name}")
        return answer.json["flow_run_state"] if answer.status == 200 else None

    def test_a_flow_that_does_not_start_is_shown_as_failed_with_its_reason(self):
        self.start()
        self.stand.start_agent("truck-1")
        wait_until("it registers", lambda: self.operator.get("agents?connectivity=online")["total"] == 1)
        self.push(FLOW % "one")
        self.deploy(1)
        wait_until("it runs version 1", lambda: self.synced("truck-1"), seconds=60)
        port = self.stand.hub.operators.rsplit(":", 1)[1]  # taken
        self.push("flow: demo\nprocessors:\n  listen:\n    type: ListenHTTP\n    properties: {Listening Port: \"%s\"}\n"
                  "    terminate: [success]\n" % port)
        self.deploy(2)
        failed = wait_until("it failed", lambda: next((each for each in self.operator.get("agents")["items"] if each["sync"] == "failed"), None),
                            seconds=60)
        self.assertTrue(failed["sync_reason"])
        self.assertEqual(failed["flow_reported"], {"name": "demo", "version": 1})
        groups = self.operator.get("deployments/trucks")["failures"]
        self.assertEqual(groups[0]["agents_sample"], ["truck-1"])
        self.assertIn("flow_failed", [each["kind"] for each in self.operator.get("events")["items"]])


class Ctl(HubTest):
    def test_an_operator_works_by_runnelctl_alone(self):
        self.start()
        self.stand.start_agent("truck-1")
        wait_until("it registers", lambda: self.operator.get("agents?connectivity=online")["total"] == 1)
        flow = self.stand.path("demo.yaml")
        for text in ("one", "two"):
            with open(flow, "w", encoding="utf-8") as out:
                out.write(FLOW % text)
            self.assertIn("pushed demo@", self.stand.ctl("flows", "push", flow, "--message", text))
        mode = os.stat(self.stand.path("config", "runnel", "hub.json")).st_mode & 0o777
        self.assertEqual(mode, 0o600)
        diff = self.stand.ctl("flows", "diff", "demo", "1", "2")
        self.assertIn('-    properties: {Custom Text: "one"', diff)
        self.assertIn("deployed demo@2", self.stand.ctl("deploy", "demo", "--class", "trucks", "--wait", "--timeout", "60"))
        self.assertIn("1 of 1 in sync", self.stand.ctl("status", "demo"))
        agents = json.loads(self.stand.ctl("agents", "--json"))
        self.assertEqual(agents["items"][0]["sync"], "in_sync")
        self.assertIn("in_sync", self.stand.ctl("agent", "truck-1"))
        self.assertIn("demo@2", self.stand.ctl("agents"))
        self.assertIn("deployed demo@2", self.stand.ctl("events"))
        self.stand.ctl("stop", "truck-1", "--processor", "make")
        wait_until("it stands still", lambda: "stopped" in self.stand.ctl("agent", "truck-1"))
        self.stand.ctl("start", "truck-1", "--processor", "make", "--once")
        wait_until("it has run once", lambda: "make has run once: 0 FlowFiles in, 1 out" in self.stand.ctl("events"))
        self.assertIn("stopped", self.stand.ctl("agent", "truck-1"))

    def test_text_that_is_not_utf_8_is_refused_and_no_name_left_empty_means_the_whole_flow(self):
        self.start()
        env = dict(os.environ, RUNNEL_HUB=self.stand.hub.operators, RUNNEL_CA=self.stand.hub.ca, RUNNEL_TOKEN=self.token, HOME=self.stand.folder)
        program = self.stand.program("runnelctl")
        password = self.stand.path("latin-1")
        with open(password, "wb") as out:
            out.write(b"caf\xe9 au lait\n")
        for words in (["login", "--password-file", password], ["deploy", b"\xff", "--class", "trucks"], ["stop", "--class", "trucks", "--processor", b"\xff"]):
            with self.subTest(words):
                done = subprocess.run([program, *words], env=env, capture_output=True, text=True, timeout=30)
                self.assertEqual(done.returncode, 1)
                self.assertTrue(done.stderr.startswith("runnelctl: "), done.stderr)
        init = [self.stand.program("runnel-hub"), "init", "--data", self.stand.path("other"), "--password-file", password]
        self.assertEqual(subprocess.run(init, capture_output=True, timeout=30).returncode, 78)
        empty = subprocess.run([program, "stop", "--class", "trucks", "--processor", ""], env=env, capture_output=True, timeout=30)
        self.assertEqual(empty.returncode, 2)

    def test_wrong_uses_of_runnelctl_are_told_apart_from_refusals(self):
        self.start()
        env = dict(os.environ, RUNNEL_HUB=self.stand.hub.operators, RUNNEL_CA=self.stand.hub.ca, RUNNEL_TOKEN=self.token, HOME=self.stand.folder)
        pipe = self.stand.path("pipe")
        os.mkfifo(pipe)
        for code, said, words in ((2, "there is no command `agnts`; did you mean `agents`?", ["agnts"]), (2, "`hostname` is no key; ", ["agents", "hostname=x"]),
                                  (2, "`truck-1` is no KEY=VALUE", ["agents", "truck-1"]), (2, "--timeout", ["deploy", "demo", "--class", "c", "--timeout", "-1"]),
                                  (2, "--limit", ["events", "--limit", "0"]), (1, "there is no flow `ghost`", ["flows", "show", "ghost"]),
                                  (1, "is a folder; ", ["flows", "push", self.stand.folder]), (1, "is a pipe; ", ["flows", "push", pipe]),
                                  (1, "begins with https://", ["--hub", "ftp://localhost", "agents"])):
            with self.subTest(words):
                done = subprocess.run([self.stand.program("runnelctl"), *words], env=env, capture_output=True, text=True, timeout=30)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(said, done.stderr)
        for program in ("runnel-hub", "runnel-agent"):
            done = subprocess.run([self.stand.program(program), "nonsense"], capture_output=True, text=True, timeout=30)
            self.assertEqual((done.returncode, done.stderr), (2, f"{program}: there is no command `nonsense`; --help lists them\n"))

    def test_exit_codes_say_what_went_wrong(self):
        self.start()
        bad = self.stand.path("bad.yaml")
        with open(bad, "w", encoding="utf-8") as out:
            out.write("flow: demo\nprocesors: {}\n")
        env = dict(os.environ, RUNNEL_HUB=self.stand.hub.operators, RUNNEL_CA=self.stand.hub.ca, RUNNEL_TOKEN=self.token, HOME=self.stand.folder)
        program = self.stand.program("runnelctl")
        refused = subprocess.run([program, "flows", "push", bad], env=env, capture_output=True, text=True, timeout=30)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("bad.yaml:2:1: ", refused.stderr)
        remembered = self.stand.path("config", "runnel", "hub.json")
        os.makedirs(os.path.dirname(remembered))
        with open(remembered, "w", encoding="utf-8") as out:
            out.write("no JSON")
        broken = subprocess.run([program, "agents"], env=dict(env, XDG_CONFIG_HOME=self.stand.path("config")), capture_output=True, text=True, timeout=30)
        self.assertEqual(broken.returncode, 78)
        self.assertIn("log in again by `runnelctl login`", broken.stderr)
        self.assertEqual(subprocess.run([program, "nonsense"], env=env, capture_output=True, timeout=30).returncode, 2)
        self.assertEqual(subprocess.run([program, "deploy", "ghost", "--class", "c"], env=env, capture_output=True, timeout=30).returncode, 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
