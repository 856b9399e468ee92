"""A test stand of the real programs: mosquitto, an embedded Kafka, the hub, agents, the telemetry generator.

Every process is started by a Stand and ended by it, by its process id; every server listens on loopback, on a port that the system picks.
"""

import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("RUNNEL_BIN", os.path.join(ROOT, "build", "release", "bin"))

# A shell's background job ignores SIGINT, and so would all that is started here.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Failed(Exception):
    """Something of the stand did not do what it must; the text says what and where to look."""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_until(what, condition, seconds=30, every=0.1):
    """The first true value of condition(), or Failed."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {seconds} s")
        time.sleep(every)


class Program:
    """A process with its output in a file, whose lines can be waited for."""

    def __init__(self, stand, name, command, env=None, has_input=False):
        self.stand, self.name, self.command = stand, name, [str(word) for word in command]
        self.log = os.path.join(stand.folder, name + ".log")
        self._lines = queue.Queue()
        with open(self.log, "ab") as errors:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE if has_input else subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=errors, env=dict(os.environ, **(env or {})), text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        stand.programs.append(self)

    def _read(self):
        with open(self.log, "a", encoding="utf-8") as log:
            for line in self.process.stdout:
                log.write(line)
                log.flush()
                self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def line(self, begin, seconds=20):
        """The next line that begins so."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                line = self._lines.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise Failed(f"{self.name} did not print `{begin}…` within {seconds} s; see {self.log}\n{self.tail()}") from None
            if line is None:
                raise Failed(f"{self.name} ended with code {self.process.wait()} before it printed `{begin}…`; see {self.log}\n{self.tail()}")
            if line.startswith(begin):
                return line

    def tail(self, count=15):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return "".join(log.readlines()[-count:])

    def tell(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def is_running(self):
        return self.process.poll() is None

    def has_said(self, text):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return text in log.read()

    def kill(self):
        self.end(signal.SIGKILL)

    def end(self, how=signal.SIGTERM, seconds=15):
        """Ends it and returns its exit code."""
        if self.is_running():
            self.process.send_signal(how)
            try:
                self.process.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise Failed(f"{self.name} did not end within {seconds} s of signal {how}; see {self.log}") from None
        code = self.process.wait()
        self._reader.join(timeout=5)
        for pipe in (self.process.stdout, self.process.stdin):
            if pipe:
                pipe.close()
        return code


class Stand:
    """Use as a context: whatever was started is ended, and the folder removed unless it is to be kept."""

    def __init__(self, keep=None, bin_folder=BIN):
        self.bin = os.path.abspath(bin_folder)
        self.is_kept = keep is not None
        self.folder = os.path.abspath(keep) if keep else tempfile.mkdtemp(prefix="runnel-")
        os.makedirs(self.folder, exist_ok=True)
        os.chmod(self.folder, 0o755)
        self.programs = []
        self.hub = None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        for program in reversed(self.programs):
            try:
                program.end(seconds=10)
            except Failed as failed:
                print(failed, file=sys.stderr)
        if not self.is_kept:
            shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def program(self, name):
        path = os.path.join(self.bin, name)
        if not os.access(path, os.X_OK):
            raise Failed(f"{path} is missing: run ./dev build")
        return path

    # ---- brokers

    def start_mosquitto(self, name="mosquitto", settings=()):
        """A mosquitto that keeps what it has for sessions that are away; returns its URI."""
        port = free_port()
        folder = self.path(name)
        os.makedirs(folder, exist_ok=True)
        config = self.path(name + ".conf")
        with open(config, "w") as out:
            out.write(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {folder}/\n"
                      "max_queued_messages 0\nmax_queued_bytes 0\nlog_dest stderr\nlog_type error\nlog_type warning\nlog_type notice\nlog_type subscribe\n")
            if os.geteuid() == 0:
                out.write("user root\n")
            out.writelines(line + "\n" for line in settings)
        program = Program(self, name, ["mosquitto" if shutil.which("mosquitto") else "/usr/sbin/mosquitto", "-c", config])
        wait_until("mosquitto", lambda: self._answers(port) or not program.is_running())
        if not program.is_running():
            raise Failed(f"mosquitto ended; see {program.log}\n{program.tail()}")
        program.uri = f"tcp://127.0.0.1:{port}"
        return program

    @staticmethod
    def _answers(port):
        with socket.socket() as one:
            one.settimeout(0.5)
            return one.connect_ex(("127.0.0.1", port)) == 0

    def start_mock_kafka(self, *topic):
        """The embedded Kafka, with a topic (name, number of partitions) or without; `bootstrap`, and `tell("down")`, `tell("up")`."""
        program = Program(self, "kafka", [self.program("runnel-mock-kafka"), *topic], has_input=True)
        program.bootstrap = program.line("bootstrap ").split()[1]
        return program

    # ---- Runnel

    def start_hub(self, secret=None, *options):
        data = self.path("hub")
        password = self.path("password")
        if not os.path.exists(data):
            with open(password, "w") as out:
                out.write((secret or "demo-" + os.urandom(6).hex()) + "\n")
            subprocess.run([self.program("runnel-hub"), "init", "--data", data, "--password-file", password], check=True,
                           stdout=subprocess.DEVNULL)
        operators = getattr(self, "operators_port", 0)
        agents = getattr(self, "agents_port", 0)
        hub = Program(self, "hub", [self.program("runnel-hub"), "serve", "--data", data, "--operators", f"127.0.0.1:{operators}",
                                    "--agents", f"127.0.0.1:{agents}", *options])
        hub.operators = hub.line("listening operators ").split()[2]
        hub.agents = hub.line("listening agents ").split()[2]
        # The same ports after a restart: agents know no others.
        self.operators_port = hub.operators.rsplit(":", 1)[1]
        self.agents_port = hub.agents.rsplit(":", 1)[1]
        hub.ca = os.path.join(data, "ca.pem")
        with open(password, encoding="utf-8") as secrets:
            hub.password = secrets.read().strip()
        hub.token = subprocess.run([self.program("runnel-hub"), "token", "agents", "--data", data], check=True, text=True,
                                   stdout=subprocess.PIPE).stdout.strip()
        self.hub = hub
        return hub

    def start_agent(self, name, agent_class="trucks", *options):
        """An agent that knows nothing but the hub."""
        agent = Program(self, name, [self.program("runnel-agent"), "run", "--state", self.path("state-" + name), "--hub", self.hub.agents,
                                     "--hub-ca", self.hub.ca, "--hub-token", self.hub.token, "--agent-class", agent_class,
                                     "--agent-id", name, *options])
        agent.state = self.path("state-" + name)
        return agent

    def start_flow(self, name, flow, *options):
        """An agent with a flow of its own and no hub."""
        agent = Program(self, name, [self.program("runnel-agent"), "run", "--state", self.path("state-" + name), "--flow", flow, *options])
        agent.state = self.path("state-" + name)
        return agent

    def agent_json(self, agent, *command):
        """What `runnel-agent COMMAND --json` says of a running agent."""
        done = subprocess.run([self.program("runnel-agent"), *command, "--state", agent.state, "--json"], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise Failed(f"runnel-agent {' '.join(command)}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def ctl(self, *command, check=True):
        """runnelctl against the hub, logged in once."""
        env = dict(os.environ, RUNNEL_HUB=self.hub.operators, RUNNEL_CA=self.hub.ca, HOME=self.folder, XDG_CONFIG_HOME=self.path("config"))
        if not getattr(self, "_is_logged_in", False):
            self._is_logged_in = True
            self.ctl("login", "--password-file", self.path("password"))
        done = subprocess.run([self.program("runnelctl"), *command], env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL)
        if check and done.returncode != 0:
            raise Failed(f"runnelctl {' '.join(command)} ended with {done.returncode}: {done.stderr.strip()} {done.stdout.strip()}")
        return done.stdout
