"""Who may ask: token, host, other sites, paths, what may be written."""

import asyncio
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_nuclei import write_results
from starlette.testclient import TestClient

from karyoscope.view import Access, Answers, make_app, open_paths

SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [900, 0], [900, 900], [0, 900], [0, 0]]]}


@pytest.fixture
def access():
    return Access(["testserver"])


@pytest.fixture
def stranger(workspace, access):
    """A browser without a session."""
    with TestClient(make_app(workspace, access)) as client:
        yield client


def test_nothing_is_told_without_a_session(stranger):
    for path in ("catalogue.json", "slides/s0/tiles/0/0_0.jpg", "results/r0/nuclei/0_0.arrow"):
        answer = stranger.get(f"/data/{path}")
        assert answer.status_code == 401
        assert "open the link" in answer.json()["error"]
    measure = stranger.post("/data/results/r0/measure", json={"geometry": SQUARE})
    assert measure.status_code == 401
    assert stranger.get("/").status_code == 200  # the empty page holds nothing of anybody's


def test_a_link_works_once(workspace):
    links = []
    access = Access(["testserver"], new_link=links.append)
    with TestClient(make_app(workspace, access)) as client:
        first = access.token
        answer = client.get("/open", params={"token": first}, follow_redirects=False)
        assert answer.status_code == 303
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert client.get("/data/catalogue.json").status_code == 200
    assert links == [access.token] != [first]
    with TestClient(make_app(workspace, access)) as other:
        used = other.get("/open", params={"token": first}, follow_redirects=False)
        assert used.status_code == 403
        assert "work once" in used.text
        assert other.get("/data/catalogue.json").status_code == 401
        assert other.get("/open").status_code == 403
        assert other.get("/open", params={"token": "é" * 9}).status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "testserver.evil.example", "", "[::1]", "127.0.0.1"]
)
def test_another_name_of_the_server_is_not_answered(client, host):
    assert client.get("/data/catalogue.json", headers={"host": host}).status_code == 421
    assert client.get("/", headers={"host": host}).status_code == 421


def test_other_sites_may_neither_read_nor_write(client):
    foreign = {"origin": "https://evil.example"}
    assert client.get("/data/catalogue.json", headers=foreign).status_code == 403
    edit = {"kind": "delete", "ids": [1]}
    assert client.post("/data/results/r0/edits", json=edit, headers=foreign).status_code == 403
    crossing = {"sec-fetch-site": "cross-site"}
    assert client.get("/data/catalogue.json", headers=crossing).status_code == 403
    # Another port of this machine is the same site: browsers send it the cookie.
    beside = {"sec-fetch-site": "same-site"}
    assert client.get("/data/slides/s0/thumbnail.jpg", headers=beside).status_code == 403
    null = {"origin": "null"}
    assert client.post("/data/results/r0/edits", json=edit, headers=null).status_code == 403
    answer = client.get("/data/catalogue.json", headers={"origin": "http://testserver"})
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_link_may_be_followed_from_another_site(stranger, access, site):
    coming = {"sec-fetch-site": site, "sec-fetch-mode": "navigate"}
    answer = stranger.get("/open", params={"token": access.token}, headers=coming)
    assert answer.status_code == 200  # of the page, to which it leads
    assert answer.url.path == "/"
    assert stranger.post("/", headers=coming).status_code == 403


def test_a_site_that_was_named_may_read(workspace):
    access = Access(["testserver"], origins=["https://lab.example"])
    own = {"origin": "https://lab.example", "sec-fetch-site": "cross-site"}
    with TestClient(make_app(workspace, access)) as client:
        asked = client.options("/data/catalogue.json", headers=own)
        # Browsers ask first, and send no session with that.
        assert asked.headers["access-control-allow-origin"] == "https://lab.example"
        own["authorization"] = f"Bearer {access.session}"
        assert client.get("/data/catalogue.json", headers=own).status_code == 200
        other = own | {"origin": "https://evil.example"}
        assert client.get("/data/catalogue.json", headers=other).status_code == 403


def test_every_answer_forbids_the_page_to_load_anything_elsewhere(client):
    for path in ("/", "/view.js", "/nothing", "/data/catalogue.json", "/data/results/r9/info.json"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


parts = st.one_of(
    st.sampled_from(
        [
            "..",
            ".",
            "",
            "etc",
            "passwd",
            "%2e%2e",
            "..%2f",
            "\\..",
            "data",
            "s0",
            "r0",
            "slides",
            "results",
            "secret.txt",
            "C:",
            "~",
            "view.js",
            "nuclei",
        ]
    ),
    st.text(max_size=8),
)


@given(st.lists(parts, max_size=7), st.booleans())
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_path_leads_to_a_file(workspace, results, path, quoted):
    secret = "only for the person themselves"
    (results.parent / "secret.txt").write_text(secret)
    (results / "secret.txt").write_text(secret)
    text = "/".join(quote(p, safe="") if quoted else p for p in path)
    access = Access(["testserver"])
    app = make_app(workspace, access)
    for start in ("/", "/data/", "/data/slides/", "/data/results/r0/"):
        status, body = as_sent(app, start + text, access.session)
        assert secret.encode() not in body
        assert status in (200, 404, 405)


def as_sent(app, path, session):
    """Ask for a path as it is, which clients would tidy up first."""
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET"}
    scope |= {"scheme": "http", "server": ("testserver", 80), "client": ("x", 1), "root_path": ""}
    scope |= {"path": path, "raw_path": path.encode(), "query_string": b""}
    bearer = f"Bearer {session}".encode()
    scope["headers"] = [(b"host", b"testserver"), (b"authorization", bearer)]
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], b"".join(m.get("body", b"") for m in sent)


@pytest.mark.parametrize(
    "path",
    [
        "slides/s0/tiles/0/99_0.jpg",
        "slides/s0/tiles/40/0_0.jpg",
        "slides/s1/info.json",
        "results/r0/values/99/0_0.bin",
        "results/r0/density/99/0_0.bin",
        "results/r0/find/0.json",
        "results/r0/density/0/0_0.bin?filter=area_um2:a:b",
        "results/r0/against/r7/summary.json",
        "results/r0/density/0/0_0.bin?filter=colour:1:2",
        "slides/s0/crop.jpg?x=nan",
        "slides/s0/crop.jpg?edge=1e99",
        "slides/s0/thumbnail.jpg?edge=x",
    ],
)
def test_what_is_not_there_is_said_in_one_line(client, path):
    answer = client.get(f"/data/{path}")
    assert answer.status_code == 404
    assert "\n" not in answer.json()["error"]


def test_sizes_are_bounded_whatever_is_asked_for(client):
    small = client.get("/data/slides/s0/crop.jpg?edge=100000").content
    assert len(small) < 1 << 20
    assert len(client.get("/data/slides/s0/thumbnail.jpg?edge=100000").content) < 1 << 21
    huge = b'{"geometry":"' + b"x" * (9 << 20) + b'"}'
    assert client.post("/data/results/r0/measure", content=huge).status_code == 413
    for text in (b"", b"[]", b"{", b"null"):
        assert client.post("/data/results/r0/measure", content=text).status_code == 409


def test_nothing_is_written_through_a_link(client, results, tmp_path):
    precious = tmp_path / "precious.txt"
    precious.write_text("mine\n")
    for suffix in ("edits.jsonl", "regions.geojson", "corrected.geojson"):
        (results / f"CMU-1-Small-Region.{suffix}").symlink_to(precious)
    answer = client.post("/data/results/r0/edits", json={"kind": "delete", "ids": [1]})
    assert answer.status_code == 409
    assert "is a link" in answer.json()["error"]
    feature = {"type": "Feature", "geometry": SQUARE, "properties": {"reviewed": True}}
    sent = {"type": "FeatureCollection", "features": [feature]}
    assert client.put("/data/results/r0/regions", json=sent).status_code == 200
    assert client.post("/data/results/r0/collect", json={}).status_code == 200
    assert precious.read_text("utf-8") == "mine\n"


@pytest.mark.parametrize("name", ["..", ".", "../secret.svs", "/etc/passwd", ""])
def test_a_result_cannot_name_a_slide_elsewhere(tmp_path, nuclei, example_slide, name):
    folder = write_results(tmp_path / "slides" / "out", nuclei, example_slide, name=name)
    (tmp_path / "secret.svs").write_bytes(example_slide.read_bytes())
    catalogue = open_paths([folder], [tmp_path / "slides"])
    assert [slide.path for slide in catalogue.slides.values()] == [None]


def test_nothing_is_written_unless_asked_for(workspace, results):
    access = Access(["testserver"])
    before = sorted(p.name for p in results.iterdir())
    with TestClient(make_app(workspace, access, Answers(workspace))) as client:
        client.headers["authorization"] = f"Bearer {access.session}"
        for method, path in (
            ("POST", "edits"),
            ("PUT", "regions"),
            ("POST", "collect"),
            ("POST", "segment"),
        ):
            answer = client.request(method, f"/data/results/r0/{path}", json={"kind": "undo"})
            assert answer.status_code == 409
            assert "--edit" in answer.json()["error"]
        assert client.post("/data/results/r0/measure", json={"geometry": SQUARE}).status_code == 200
    assert sorted(p.name for p in results.iterdir()) == before


def test_what_a_browser_keeps_is_of_one_session(client, workspace):
    (key,) = workspace.catalogue.slides
    answer = client.get(f"/data/slides/{key}/tiles/0/0_0.jpg")
    assert "max-age" in answer.headers["cache-control"]
    assert {"cookie", "authorization"} <= set(answer.headers["vary"].split(", "))
