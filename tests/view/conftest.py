"""A folder of results on the shipped slide, with nuclei that need no model."""

import pytest

pytest.importorskip("starlette", reason="the server is of the extra `view`")
pytest.importorskip("uvicorn", reason="the server is of the extra `view`")

from in_browser import CHROMIUM, FLAGS, Commands
from made_nuclei import made_nuclei, write_results

from karyoscope.view import Access, Answers, Workspace, make_app, open_paths


@pytest.fixture(scope="session")
def nuclei():
    return made_nuclei(600)


@pytest.fixture
def results(tmp_path, nuclei, example_slide):
    return write_results(tmp_path / "out", nuclei, example_slide)


@pytest.fixture
def workspace(results, example_slide):
    opened = Workspace(open_paths([results], [example_slide]))
    yield opened
    opened.close()


@pytest.fixture
def client(workspace):
    """A browser with a session, that may write."""
    from starlette.testclient import TestClient

    access = Access(["testserver"])
    with TestClient(make_app(workspace, access, Answers(workspace, edit=True))) as client:
        client.headers["authorization"] = f"Bearer {access.session}"
        yield client


@pytest.fixture(scope="module")
def chromium():
    """Chromium, which draws without a graphics card."""
    reason = "drives Chromium"
    driver_of = pytest.importorskip("playwright.sync_api", reason=reason).sync_playwright
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    with driver_of() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def start():
    """Start the command, and stop it at the end; gives the process and the link."""
    commands = Commands()
    yield commands
    commands.stop()


@pytest.fixture
def page(chromium):
    """A page that notes what it asked for and what went wrong in it."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    context.set_default_timeout(120_000)  # on a machine with other work, a page takes its time
    page = context.new_page()
    page.problems, page.elsewhere = [], []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("console", lambda m: m.type == "error" and page.problems.append(m.text))
    page.on("request", lambda r: page.elsewhere.append(r.url))
    yield page
    context.close()
