"""Other sites in the same browser: what they may not do, and the links that lead here from them."""

import contextlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from in_browser import opened, until
from made_nuclei import made_nuclei

from karyoscope.view.notebook import NotebookView

pytestmark = pytest.mark.slow

ATTEMPTS = """async (base) => {
  const found = {};
  const attempt = async (name, call) => {
    try { found[name] = await call(); } catch (error) { found[name] = "refused"; }
  };
  const load = (tag, source) => new Promise((done) => {
    const element = document.createElement(tag);
    element.onload = () => done("loaded");
    element.onerror = () => done("refused");
    element.src = base + source;
    document.body.append(element);
  });
  const edit = base + "/data/results/r0/edits", body = '{"kind":"delete","ids":[1]}';
  const own = { credentials: "include" }, read = base + "/data/catalogue.json";
  const blind = { ...own, mode: "no-cors" }, post = { method: "POST", body };
  await attempt("read", async () => (await fetch(read, own)).status);
  await attempt("blind", async () => (await fetch(read, blind)).type);
  await attempt("write", async () => (await fetch(edit, { ...own, ...post })).status);
  await attempt("blind write", async () => (await fetch(edit, { ...blind, ...post })).type);
  await attempt("picture", () => load("img", "/data/slides/s0/thumbnail.jpg"));
  await attempt("script", () => load("script", "/view.js"));
  await attempt("window", async () => {
    const window_ = open(base + "/");
    await new Promise((done) => setTimeout(done, 2000));
    return window_.closed ? "refused" : window_.document.title;
  });
  const form = document.createElement("form"), field = document.createElement("input");
  Object.assign(form, { method: "POST", enctype: "text/plain", action: edit, target: "_blank" });
  Object.assign(field, { name: '{"kind":"delete","ids":[1],"a":"', value: '"}' });
  form.append(field);
  document.body.append(form);
  form.submit();
  await new Promise((done) => setTimeout(done, 1000));
  return found;
}"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def site(folder, host):
    """Another site, at another port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{host}:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_other_sites_get_nothing_and_change_nothing(
    page, start, results, example_slide, tmp_path, host
):
    _, link = start(results, "--slides", example_slide, "--edit")
    opened(page, link)
    other = page.context.new_page()
    with site(tmp_path, host) as address:
        other.goto(address)
        found = other.evaluate(ATTEMPTS, link[: link.index("/open")])
    assert set(found.values()) == {"refused"}, found
    assert not list(results.glob("*.edits.jsonl"))


def test_the_link_may_be_followed_from_another_site(page, start, results, example_slide, tmp_path):
    _, link = start(results, "--slides", example_slide)
    (tmp_path / "mail.html").write_text(f'<a href="{link}">look at this</a>')
    with site(tmp_path, "localhost") as address:
        page.goto(f"{address}/mail.html")
        page.get_by_text("look at this").click()
        until(page, "!!(window.karyoscope && karyoscope.state.result)")


def test_a_notebook_shows_the_page_and_another_site_does_not(page, example_slide, tmp_path):
    view = NotebookView(made_nuclei(50), example_slide)
    try:
        (tmp_path / "notebook.html").write_text(view._repr_html_())
        with site(tmp_path, "localhost") as address:
            page.goto(f"{address}/notebook.html")
            page.frame_locator("iframe").get_by_role("tab", name="Nuclei").wait_for()
            page.frame_locator("iframe").get_by_text("all 50 nuclei").wait_for()
        with site(tmp_path, "evil.localhost") as address:
            page.goto(f"{address}/notebook.html")
            page.wait_for_timeout(1500)
            assert page.frame_locator("iframe").get_by_role("tab").count() == 0
    finally:
        view.close()
