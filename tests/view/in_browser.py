"""The command and its page in Chromium, for the tests that drive it."""

import shutil
import subprocess
import sys
import time

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
STEM = "CMU-1-Small-Region"


class Commands:
    """Commands that were started; each is stopped at the end, and must end well."""

    def __init__(self):
        self.running = []

    def __call__(self, *arguments):
        """Start the command; gives its process and the link that it prints."""
        command = [sys.executable, "-m", "karyoscope", "view", *map(str, arguments), "--no-browser"]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.running.append(process)
        return process, process.stdout.readline().strip()

    def stop(self):
        for process in self.running:
            if process.poll() is None:
                process.send_signal(2)
            assert process.wait(20) == 0


def until(page, code, seconds=60):
    """Wait for a condition; the page's policy forbids the browser to evaluate text itself."""
    end = time.monotonic() + seconds
    while not page.evaluate(code):
        assert time.monotonic() < end, code
        page.wait_for_timeout(50)


def opened(page, link):
    page.goto(link)
    until(page, "!!(window.karyoscope && karyoscope.state.result && karyoscope.state.densityMost)")
    page.wait_for_load_state("networkidle")


def state(page, code):
    return page.evaluate(f"karyoscope.state.{code}")


def on_screen(page, x, y):
    """Where a point of level 0 is on the screen."""
    box = page.locator(".surface").bounding_box()
    view = page.evaluate("[karyoscope.state.x, karyoscope.state.y, 2 ** karyoscope.state.zoom]")
    return (
        box["x"] + box["width"] / 2 + (x - view[0]) * view[2],
        box["y"] + box["height"] / 2 + (y - view[1]) * view[2],
    )
