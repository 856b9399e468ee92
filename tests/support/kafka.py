"""A real Apache Kafka for script tests: one broker in KRaft mode on loopback, on ports that the system picks.

Its jars come by Maven (kafka/pom.xml) into build/kafka/libs, once. `kafka = Kafka(folder)` starts it; `stop`, `kill`, `start` make honest
outages: log and ports stay. With `secure=True` there are also listeners for TLS with client certificates and for SASL (PLAIN and
SCRAM-SHA-256/512) over TLS and over plain text, with the user `truck` and the password `secret`.
"""

import base64
import fcntl
import os
import signal
import socket
import subprocess
import time
import uuid

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIBS = os.path.join(ROOT, "build", "kafka", "libs")
USER, PASSWORD = "truck", "secret"


def fetch_jars():
    """Downloads Kafka's jars unless they are there; returns the class path."""
    os.makedirs(os.path.dirname(LIBS), exist_ok=True)
    with open(os.path.join(os.path.dirname(LIBS), "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = os.path.join(LIBS, "complete")
        if not os.path.exists(done):
            pom = os.path.join(ROOT, "tests", "support", "kafka", "pom.xml")
            subprocess.run(["mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", f"-DoutputDirectory={LIBS}"],
                           check=True, stdin=subprocess.DEVNULL)
            open(done, "w").close()
    return os.path.join(LIBS, "*")


def free_ports(count):
    """Ports that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def make_certificates(folder):
    """A CA, a server certificate for 127.0.0.1 and localhost, and a client certificate, as PEM files; returns their paths."""
    os.makedirs(folder, exist_ok=True)
    path = lambda name: os.path.join(folder, name)

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test CA",
            "-keyout", path("ca.key"), "-out", path("ca.pem"))
    for name, subject in (("server", "/CN=localhost"), ("client", "/CN=truck")):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", subject, "-keyout", path(name + ".key"),
                "-out", path(name + ".csr"))
        with open(path(name + ".ext"), "w") as ext:
            ext.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", path(name + ".csr"), "-CA", path("ca.pem"), "-CAkey", path("ca.key"),
                "-CAcreateserial", "-days", "2", "-extfile", path(name + ".ext"), "-out", path(name + ".pem"))
        # Kafka wants PKCS 8 keys and key and chain in one file.
        with open(path(name + ".both.pem"), "w") as both, open(path(name + ".key")) as key, open(path(name + ".pem")) as chain:
            both.write(key.read() + chain.read())
    return {name: path(name) for name in ("ca.pem", "server.pem", "server.key", "client.pem", "client.key",
                                          "server.both.pem", "client.both.pem")}


class Kafka:
    def __init__(self, folder, secure=False, settings=None, partitions=4):
        self.folder = folder
        self.class_path = fetch_jars()
        self.process = None
        os.makedirs(folder, exist_ok=True)
        ports = free_ports(6)
        self.port, self.controller_port, self.ssl_port, self.sasl_ssl_port, self.sasl_port = ports[:5]
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.bootstrap_ssl = f"127.0.0.1:{self.ssl_port}"
        self.bootstrap_sasl_ssl = f"127.0.0.1:{self.sasl_ssl_port}"
        self.bootstrap_sasl = f"127.0.0.1:{self.sasl_port}"
        self.certificates = make_certificates(os.path.join(folder, "certificates")) if secure else None
        self.config = os.path.join(folder, "server.properties")
        listeners = {"PLAINTEXT": ("PLAINTEXT", self.port), "CONTROLLER": ("PLAINTEXT", self.controller_port)}
        if secure:
            listeners.update({"SSL": ("SSL", self.ssl_port), "SASL_SSL": ("SASL_SSL", self.sasl_ssl_port),
                              "SASL_PLAINTEXT": ("SASL_PLAINTEXT", self.sasl_port)})
        advertised = [name for name in listeners if name != "CONTROLLER"]
        values = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}",
            "listeners": ",".join(f"{name}://127.0.0.1:{port}" for name, (_, port) in listeners.items()),
            "advertised.listeners": ",".join(f"{name}://127.0.0.1:{listeners[name][1]}" for name in advertised),
            "listener.security.protocol.map": ",".join(f"{name}:{kind}" for name, (kind, _) in listeners.items()),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": os.path.join(folder, "log"),
            "num.partitions": str(partitions),
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
        }
        if secure:
            pem = self.certificates
            jaas = "org.apache.kafka.common.security"
            values.update({
                "ssl.keystore.type": "PEM", "ssl.keystore.location": pem["server.both.pem"],
                "ssl.truststore.type": "PEM", "ssl.truststore.location": pem["ca.pem"],
                "listener.name.ssl.ssl.client.auth": "required",
                "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            })
            for listener in ("sasl_ssl", "sasl_plaintext"):
                values[f"listener.name.{listener}.plain.sasl.jaas.config"] = (
                    f'{jaas}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";')
                for kind in ("scram-sha-256", "scram-sha-512"):
                    values[f"listener.name.{listener}.{kind}.sasl.jaas.config"] = f"{jaas}.scram.ScramLoginModule required;"
        values.update(settings or {})
        with open(self.config, "w") as config:
            config.writelines(f"{key}={value}\n" for key, value in values.items())
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # As one word: an id may begin with a dash.
        format_command = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", self.config]
        if secure:
            for kind in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
                format_command += ["--add-scram", f"{kind}=[name={USER},password={PASSWORD}]"]
        subprocess.run(self._java() + format_command, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        self.start()

    def _java(self):
        return ["java", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-cp", self.class_path]

    def start(self, seconds=60):
        """Starts the broker and waits until it answers."""
        with open(os.path.join(self.folder, "kafka.log"), "ab") as log:
            self.process = subprocess.Popen(self._java() + ["kafka.Kafka", self.config], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"Kafka ended with {self.process.returncode}: see {self.folder}/kafka.log")
            answer = subprocess.run(["kcat", "-L", "-b", self.bootstrap, "-m", "1"], stdout=subprocess.PIPE,
                                    stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
            if answer.returncode == 0 and b"broker 1" in answer.stdout:
                return self
            time.sleep(0.2)
        raise RuntimeError(f"Kafka did not answer within {seconds} s: see {self.folder}/kafka.log")

    def kill(self):
        """SIGKILL: what a power cut does to a broker."""
        self._end(signal.SIGKILL)

    def stop(self):
        self._end(signal.SIGTERM)

    def pause(self):
        """SIGSTOP: connections stay, nothing answers."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def _end(self, how):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(how)
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def produce(self, topic, lines, *options):
        """Produces one message a line."""
        subprocess.run(["kcat", "-P", "-b", self.bootstrap, "-t", topic, *options], input="\n".join(lines).encode() + b"\n",
                       check=True, timeout=60)

    def read_all(self, topic, template="%s\n", seconds=30):
        """All messages of a topic, by a template of kcat (-f), as bytes split at line ends."""
        command = ["kcat", "-C", "-q", "-e", "-o", "beginning", "-b", self.bootstrap, "-t", topic, "-f", template, "-X", "isolation.level=read_uncommitted"]
        for tries_left in (2, 1, 0):  # kcat may wait for ever for the leader of a partition that has just been made
            try:
                done = subprocess.run(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=True, timeout=seconds)
                break
            except subprocess.TimeoutExpired:
                if tries_left == 0:
                    raise
        return done.stdout.split(b"\n")[:-1]
