"""The pages in Chromium against the real hub with three real agents: what a person does, end to end."""

import os
import sys
import threading
import time

import node_suite

sys.path.insert(0, os.path.join(node_suite.ROOT, "tests", "support"))
from stand import Stand  # noqa: E402  (the path above comes first)

AGENTS = ["truck-1", "truck-2", "truck-3"]


class Requests:
    """Commands for the test of the pages: each makes a file and waits until this program has done what it asks and removed it."""

    def __init__(self, stand, actions):
        self.files = {stand.path(name): action for name, action in actions.items()}

    def command(self, stand, name):
        path = stand.path(name)
        return f"touch {path}; for i in $(seq 600); do [ -e {path} ] || exit 0; sleep 0.1; done; exit 1"

    def serve_until(self, done):
        while not done():
            for path, action in self.files.items():
                if os.path.exists(path):
                    action()
                    os.remove(path)
            time.sleep(0.05)


def main():
    code = 1
    with Stand(keep=os.environ.get("RUNNEL_KEEP")) as stand:
        # So that agents take what they are asked at once.
        quick = (None, "--heartbeat", "1 sec")
        hub = stand.start_hub(*quick)
        for name in AGENTS:
            stand.start_agent(name)
        requests = Requests(stand, {"take-away": lambda: stand.hub.kill(), "bring-back": lambda: stand.start_hub(*quick)})
        result = []
        env = {
            "RUNNEL_UI_URL": hub.operators,
            "RUNNEL_UI_INSECURE": "1",
            "RUNNEL_UI_PASSWORD": hub.password,
            "RUNNEL_UI_AGENTS_NAMED": ",".join(AGENTS),
            "RUNNEL_UI_HUB_STOP": requests.command(stand, "take-away"),
            "RUNNEL_UI_HUB_START": requests.command(stand, "bring-back"),
        }
        pages = threading.Thread(target=lambda: result.append(node_suite.run(["pages.test.mjs"], env)))
        pages.start()
        requests.serve_until(lambda: not pages.is_alive())
        code = result[0] if result else 1
        if code != 0:
            for program in stand.programs:
                print(f"---- {program.name}\n{program.tail(25)}")
    return code


if __name__ == "__main__":
    sys.exit(main())
