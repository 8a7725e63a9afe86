"""The studio's page: what it is told, and who is not answered."""

import json
import re
from pathlib import Path

import pytest
import requests
from azure.identity import EnvironmentCredential

PAGES = Path(__file__).parents[2] / "emulator" / "pages"
NASTY = "<script>alert(1)</script> & <b>bold</b>"


class Studio:
    def __init__(self, port, workspace):
        self.root = f"http://127.0.0.1:{port}/_emulator/studio"
        self.id = workspace.workspaces.get(workspace.workspace_name).id
        self.uri = workspace.workspaces.get(workspace.workspace_name).mlflow_tracking_uri.replace(
            "azureml://", "https://"
        )
        self.session = requests.Session()
        self.session.trust_env = False

    def get(self, path="/", /, headers=None, **query):
        return self.session.get(f"{self.root}{path}", params=query, headers=headers, timeout=30)

    def ask(self, method, call, **options):
        bearer = EnvironmentCredential().get_token("https://ml.azure.com/.default").token
        headers = {"Authorization": f"Bearer {bearer}"}
        answer = requests.request(method, f"{self.uri}/api/2.0/{call}", headers=headers, timeout=60, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def log(self, call, **body):
        return self.ask("POST", f"mlflow/{call}", json=body)

    def leave(self, run, path, content):
        below = f"mlflow-artifacts/artifacts/experiments/{run['experiment_id']}/runs/{run['run_id']}/artifacts"
        self.ask("PUT", f"{below}/{path}", data=content)


@pytest.fixture
def studio(azure, workspace):
    return Studio(azure.running().port, workspace)


@pytest.fixture
def logged(studio):
    """A run with metrics, one of them not a number, a parameter, a picture and a log."""
    run = studio.log("runs/create", experiment_id="0", run_name=NASTY, start_time=1700000000000)["run"]["info"]
    id = run["run_id"]
    points = [{"key": "loss", "value": 1 / (step + 1), "step": step, "timestamp": step} for step in range(700)]
    studio.log("runs/log-batch", run_id=id, metrics=points[:500], params=[{"key": "note", "value": NASTY}])
    studio.log("runs/log-batch", run_id=id, metrics=points[500:])
    studio.log("runs/log-metric", run_id=id, key="gap", value="NaN", timestamp=1, step=0)
    studio.leave(run, "plots/one.png", b"\x89PNG\r\n\x1a\n")
    studio.leave(run, "user_logs/std_log.txt", f"first line\n{NASTY}\n".encode())
    studio.leave(run, "drawn.svg", f"<svg xmlns='http://www.w3.org/2000/svg'>{NASTY}</svg>".encode())
    studio.leave(run, "page.html", NASTY.encode())
    studio.log("runs/update", run_id=id, status="FINISHED", end_time=1700000002500)
    return id


def test_the_page_and_its_parts_come_from_here_alone(studio):
    for path in ("", "/", "/runs/any-name"):
        answer = studio.get(path)
        assert answer.status_code == 200 and answer.headers["content-type"] == "text/html; charset=utf-8"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        for part in re.findall(r'(?:src|href)="([^"]+)"', answer.text):
            assert part.startswith("/_emulator/studio/"), part
            assert studio.get(part.removeprefix("/_emulator/studio")).status_code == 200, part
    assert studio.get("/pages/studio.py").status_code == 404
    assert studio.get("/pages/..%2fstudio.py").status_code in (400, 404)


def test_nothing_that_a_job_wrote_can_become_markup():
    """The page's code has no way from text to markup, and no address outside but SVG's own name."""
    for file in PAGES.iterdir():
        text = file.read_text("utf-8")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|srcdoc|DOMParser|<script>", text
        ), file
        assert set(re.findall(r"https?://[^\s\"')]+", text)) <= {"http://www.w3.org/2000/svg"}, file


def test_a_run_in_the_list_and_by_itself(studio, logged):
    assert studio.id.lower() in {one["id"].lower() for one in studio.get("/data/workspaces").json()}
    (line,) = studio.get("/data/jobs", wsid=studio.id).json()
    assert line["name"] == logged and line["displayName"] == NASTY
    assert line["status"] == "Completed" and line["ended"] - line["started"] == pytest.approx(2.5)

    answer = studio.get("/data/job", wsid=studio.id, name=logged)
    told = json.loads(answer.text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert told["params"] == {"note": NASTY}
    assert 100 < len(told["metrics"]["loss"]) <= 501 and told["metrics"]["loss"][-1]["value"] == pytest.approx(1 / 700)
    assert told["metrics"]["gap"][0]["value"] == "NaN"
    assert {file["path"] for file in told["files"]} == {
        "plots/one.png",
        "user_logs/std_log.txt",
        "drawn.svg",
        "page.html",
    }
    assert studio.get("/data/job", wsid=studio.id, name="none").status_code == 404
    assert studio.get("/data/job", wsid=f"{studio.id}x", name=logged).status_code == 404


def test_files_are_read_from_an_offset_and_can_run_nothing(studio, logged):
    log = studio.get("/data/file", wsid=studio.id, name=logged, path="user_logs/std_log.txt")
    assert log.content == f"first line\n{NASTY}\n".encode()
    rest = studio.get("/data/file", wsid=studio.id, name=logged, path="user_logs/std_log.txt", offset=11)
    assert rest.content == f"{NASTY}\n".encode()
    end = studio.get("/data/file", wsid=studio.id, name=logged, path="user_logs/std_log.txt", offset=len(log.content))
    assert end.status_code == 200 and end.content == b""

    kinds = {"plots/one.png": "image/png", "drawn.svg": "image/svg+xml", "page.html": "text/plain; charset=utf-8"}
    for path, kind in kinds.items():
        answer = studio.get("/data/file", wsid=studio.id, name=logged, path=path)
        assert answer.headers["content-type"] == kind and answer.headers["x-content-type-options"] == "nosniff"
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("sandbox;") and "script" not in policy

    for path, status in {"no.txt": 404, "../x": 400, "a/../../x": 400, "": 400}.items():
        assert studio.get("/data/file", wsid=studio.id, name=logged, path=path).status_code == status, path
    bad = studio.get("/data/file", wsid=studio.id, name=logged, path="drawn.svg", offset="-1")
    assert bad.status_code == 400
    assert studio.get("/data/file", wsid=studio.id, name="../other", path="drawn.svg").status_code == 400


FOREIGN = {
    "another name for this machine": {"Host": "studio.example:80"},
    "another site": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    "another port": {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
    "a frame": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    "an origin": {"Origin": "https://example.com"},
    "no origin": {"Origin": "null"},
}


@pytest.mark.parametrize("case", FOREIGN)
def test_other_sites_are_not_answered(case, studio):
    for path in ("/", "/data/workspaces", "/pages/studio.js"):
        answer = studio.get(path, headers=FOREIGN[case])
        assert answer.status_code == 403 and "access-control-allow-origin" not in answer.headers
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert studio.get("/", headers=followed).status_code == 200, "a link to the page may be followed from anywhere"
    assert studio.get("/data/workspaces", headers=followed).status_code == 403
    own = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
    assert studio.get("/data/workspaces", headers=own).status_code == 200
