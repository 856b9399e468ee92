"""`encryption_key: tpm2:OBJECT` with a real TPM 2.0, as far as software is one (swtpm, on a Unix socket): a key that is sealed in it opens the state
directory, by a context file and by a persistent handle; without that TPM nothing opens, and nothing is changed."""

import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), "support"), HERE]
from encryption_test import PLAIN, KeyTest, files_of  # noqa: E402
from stand import Program, wait_until  # noqa: E402

HANDLE = "0x81010001"


class Tpm:
    def __init__(self, stand, name):
        self.stand, self.name, self.runs = stand, name, 0
        self.folder = stand.path(name)
        os.mkdir(self.folder, 0o700)
        self.start()

    def start(self):
        """Switches it on: what is not persistent is gone."""
        self.runs += 1
        socket = os.path.join(self.folder, f"socket-{self.runs}")
        control = os.path.join(self.folder, f"socket-{self.runs}.ctrl")
        self.process = Program(self.stand, f"{self.name}-{self.runs}", [
            "swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.folder}", "--server", f"type=unixio,path={socket}",
            "--ctrl", f"type=unixio,path={control}", "--flags", "not-need-init,startup-clear"])
        self.env = {"TPM2TOOLS_TCTI": f"swtpm:path={socket}"}
        wait_until("the TPM", lambda: os.path.exists(socket) and os.path.exists(control))

    def call(self, *words):
        done = subprocess.run(words, env={**os.environ, **self.env}, cwd=self.folder, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr}")

    def flush(self):
        """What a resource manager (/dev/tpmrm0) does: there is room for three objects."""
        self.call("tpm2_flushcontext", "-t")

    def seal(self, path):
        """The key in this file, as an object of the TPM; returns the file of its context."""
        self.call("tpm2_createprimary", "-Q", "-C", "o", "-c", "primary.ctx")
        self.flush()
        self.call("tpm2_create", "-Q", "-C", "primary.ctx", "-i", path, "-u", "key.pub", "-r", "key.priv")
        self.flush()
        self.call("tpm2_load", "-Q", "-C", "primary.ctx", "-u", "key.pub", "-r", "key.priv", "-c", "key.ctx")
        self.flush()
        return os.path.join(self.folder, "key.ctx")


class Sealed(KeyTest):
    def setUp(self):
        super().setUp()
        self.tpm = Tpm(self.stand, "tpm")
        key = self.stand.path("key")
        self.assertEqual(self.command("key", "make", key, state=False).returncode, 0)
        with open(key, encoding="ascii") as file:
            self.secret = file.read().strip()
        self.context = self.tpm.seal(key)
        self.plain_key = key

    def run_agent(self, *options, flow=True):
        self.tpm.flush()
        self.addCleanup(os.environ.pop, "TPM2TOOLS_TCTI", None)
        os.environ.update(self.tpm.env)
        return super().run_agent(*options, flow=flow)

    def refused(self, source):
        done = subprocess.run([self.stand.program("runnel-agent"), "run", "--state", self.state, "--flow", self.flow, "--encryption-key", source],
                              env={**os.environ, **self.tpm.env}, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 78, done.stderr)
        return done.stderr

    def test_a_key_that_is_sealed_in_a_tpm_opens_the_state_directory_and_lies_in_no_file_of_it(self):
        os.remove(self.plain_key)
        options = ("--encryption-key", f"tpm2:{self.context}", "--encrypt-content")
        count = self.queued(self.running("--log-level", "error", *options))
        for path, held in files_of(self.state).items():
            self.assertNotIn(PLAIN, held, path)
            self.assertNotIn(self.secret.encode(), held, path)
            self.assertNotIn(bytes.fromhex(self.secret), held, path)
        # As a persistent object it outlives a power cut of the TPM, which a context does not.
        self.tpm.call("tpm2_evictcontrol", "-Q", "-C", "o", "-c", "key.ctx", HANDLE)
        self.tpm.process.end()
        self.tpm.start()
        before = files_of(self.state)
        self.assertIn("tpm2_unseal", self.refused(f"tpm2:{self.context}"))
        self.assertEqual(files_of(self.state), before)
        self.drained(count, "--encryption-key", f"tpm2:{HANDLE}", "--encrypt-content")

    def test_without_the_tpm_or_with_another_one_nothing_opens_and_nothing_is_changed(self):
        count = self.queued(self.running("--log-level", "error", "--encryption-key", f"tpm2:{self.context}", "--encrypt-content"))
        before = files_of(self.state)
        self.tpm.call("tpm2_evictcontrol", "-Q", "-C", "o", "-c", "key.ctx", HANDLE)
        first = self.tpm
        first.process.end()
        self.assertIn("tpm2_unseal", self.refused(f"tpm2:{HANDLE}"))
        other_key = self.stand.path("other-key")
        self.command("key", "make", other_key, state=False)
        self.tpm = Tpm(self.stand, "another")
        self.tpm.seal(other_key)
        self.tpm.call("tpm2_evictcontrol", "-Q", "-C", "o", "-c", "key.ctx", HANDLE)
        self.assertIn("is encrypted under master key", self.refused(f"tpm2:{HANDLE}"))
        self.assertEqual(files_of(self.state), before)
        self.tpm = first
        first.start()
        self.drained(count, "--encryption-key", f"tpm2:{HANDLE}", "--encrypt-content")

    def test_a_directory_is_turned_from_a_key_file_to_the_tpm(self):
        old = self.stand.path("old-key")
        self.command("key", "make", old, state=False)
        count = self.queued(self.running("--log-level", "error", "--encryption-key", old, "--encrypt-content"))
        os.environ.update(self.tpm.env)
        self.addCleanup(os.environ.pop, "TPM2TOOLS_TCTI", None)
        turned = self.key("rotate", "--key", old, "--new-key", f"tpm2:{self.context}")
        self.assertEqual(turned.returncode, 0, turned.stderr)
        self.drained(count, "--encryption-key", f"tpm2:{self.context}", "--encrypt-content")
        self.assertIn("is encrypted under master key", self.refused(old))


if __name__ == "__main__":
    unittest.main()
