"""Python's huggingface_hub against a local Hub. Prints one JSON line per check: {"check", "ok",
"detail"}.

Arguments: folder of the embedded model, scratch folder. Environment: HF_ENDPOINT, HF_HOME,
HF_HUB_DISABLE_XET=1. The Hub knows hf_ada (writes ada and acme), hf_eve (writes eve), hf_bob
(reads), the gated repo closed/base, open to ada, and the dataset acme/text, which holds the
calibration corpus.
"""

import filecmp
import hashlib
import json
import os
import sys
import traceback
import warnings
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi, ModelCard
from huggingface_hub.errors import (
    BadRequestError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

MODEL, SCRATCH = Path(sys.argv[1]), Path(sys.argv[2])
REPO = "acme/Tiny-oQ4e"
CARD = "---\nlicense: mit\nlibrary_name: mlx\ntags:\n- mlx\nbase_model: base/tiny\nbase_model_relation: quantized\n---\n# Tiny\n"

ada, eve, bob = HfApi(token="hf_ada"), HfApi(token="hf_eve"), HfApi(token="hf_bob")
checks = []


def check(function):
    checks.append(function)
    return function


def raises(error, run, status=None, text=""):
    try:
        run()
    except error as caught:
        response = getattr(caught, "response", None)
        assert status is None or response.status_code == status, f"expected {status}, got {response.status_code}"
        assert text in str(caught), f"expected {text!r} in {caught}"
        return caught
    raise AssertionError(f"expected {error.__name__}, nothing was raised")


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@check
def whoami():
    me = ada.whoami()
    assert me["name"] == "ada" and me["type"] == "user"
    assert [(org["name"], org["roleInOrg"]) for org in me["orgs"]] == [("acme", "write")]
    assert me["auth"]["accessToken"]["role"] == "write"
    assert bob.whoami()["auth"]["accessToken"]["role"] == "read"


@check
def wrong_token():
    wrong = HfApi(token="hf_nobody")
    raises(HfHubHTTPError, wrong.whoami, 401, "Invalid user token")
    raises(HfHubHTTPError, lambda: wrong.model_info("base/tiny"), 401, "Invalid credentials in Authorization header")


@check
def create_repo():
    url = ada.create_repo(REPO)
    assert url.repo_id == REPO and url.endpoint == os.environ["HF_ENDPOINT"]
    raises(HfHubHTTPError, lambda: ada.create_repo(REPO), 409)


@check
def create_repo_exist_ok():
    assert ada.create_repo(REPO, exist_ok=True).repo_id == REPO
    assert ada.create_repo("mine").repo_id == "ada/mine"


@check
def create_repo_illegal_names():
    import httpx2

    for name in ["a--b", "a..b", "-a", "a.git", "x" * 97, "", "a b", "ü"]:
        headers = {"authorization": "Bearer hf_ada"}
        body = {"name": name, "organization": "acme"}
        answer = httpx2.post(f"{os.environ['HF_ENDPOINT']}/api/repos/create", json=body, headers=headers)
        assert answer.status_code == 400, f"{name!r}: {answer.status_code}"


@check
def read_token_is_refused():
    raises(HfHubHTTPError, lambda: bob.create_repo("bob/new"), 403, "rights to create a model")
    add = CommitOperationAdd("a.txt", b"a")
    raises(HfHubHTTPError, lambda: bob.create_commit(REPO, [add], commit_message="A"), 403, "write")


@check
def foreign_namespace_is_refused():
    raises(HfHubHTTPError, lambda: eve.create_repo("acme/other"), 403, "namespace")
    upload = lambda: eve.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id=REPO)  # noqa: E731
    raises(HfHubHTTPError, upload, 403, "create_pr=1")


@check
def upload_folder_in_parts():
    made = ada.upload_folder(repo_id=REPO, folder_path=MODEL, commit_message="Publish")
    assert ada.model_info(REPO).sha == made.oid


@check
def upload_folder_again_is_no_commit():
    before = ada.model_info(REPO).sha
    assert ada.upload_folder(repo_id=REPO, folder_path=MODEL).oid == before
    assert ada.model_info(REPO).sha == before


@check
def list_repo_files():
    expected = sorted([".gitattributes", *(str(path.relative_to(MODEL)) for path in MODEL.rglob("*") if path.is_file())])
    assert ada.list_repo_files(REPO) == expected


@check
def list_repo_tree():
    ada.upload_file(path_or_fileobj=b"1", path_in_repo="deep/er/one.txt", repo_id=REPO, commit_message="Deep")
    tree = {entry.path: entry for entry in ada.list_repo_tree(REPO, recursive=True, expand=True)}
    weights = tree["model.safetensors"]
    assert weights.size == (MODEL / "model.safetensors").stat().st_size
    assert weights.lfs.sha256 == sha256(MODEL / "model.safetensors")
    assert weights.last_commit.title == "Publish" and tree["deep"].last_commit.title == "Deep"
    assert tree["config.json"].lfs is None
    assert [entry.path for entry in ada.list_repo_tree(REPO, "deep")] == ["deep/er"]
    raises(EntryNotFoundError, lambda: list(ada.list_repo_tree(REPO, "absent")))


@check
def get_paths_info():
    infos = ada.get_paths_info(REPO, ["config.json", "deep", "absent"], expand=True)
    assert [info.path for info in infos] == ["config.json", "deep"]


@check
def upload_file_small_and_large():
    ada.upload_file(path_or_fileobj=CARD.encode(), path_in_repo="README.md", repo_id=REPO)
    blob = os.urandom(1 << 20)
    (SCRATCH / "blob").write_bytes(blob)
    ada.upload_file(path_or_fileobj=SCRATCH / "blob", path_in_repo="data/blob", repo_id=REPO)
    [info] = ada.get_paths_info(REPO, ["data/blob"])
    assert info.lfs.sha256 == hashlib.sha256(blob).hexdigest(), "binary from lfsThreshold on goes to LFS"
    attributes = Path(ada.hf_hub_download(REPO, ".gitattributes")).read_text()
    assert "data/blob filter=lfs diff=lfs merge=lfs -text" in attributes.splitlines()


@check
def hf_hub_download_regular_and_lfs():
    for name in ["config.json", "model.safetensors", "tokenizer.json"]:
        assert filecmp.cmp(ada.hf_hub_download(REPO, name), MODEL / name, shallow=False), name
    local = ada.hf_hub_download(REPO, "model.safetensors", local_dir=SCRATCH / "local")
    assert filecmp.cmp(local, MODEL / "model.safetensors", shallow=False)
    raises(EntryNotFoundError, lambda: ada.hf_hub_download(REPO, "absent.txt"))
    raises(RevisionNotFoundError, lambda: ada.hf_hub_download(REPO, "config.json", revision="absent"))


@check
def snapshot_download():
    folder = Path(ada.snapshot_download(REPO))
    assert folder.name == ada.model_info(REPO).sha
    for name in ada.list_repo_files(REPO):
        assert (folder / name).is_file(), name
    assert sha256(folder / "model.safetensors") == sha256(MODEL / "model.safetensors")


@check
def model_info():
    info = ada.model_info(REPO, files_metadata=True)
    assert (info.id, info.private, info.gated, info.pipeline_tag) == (REPO, False, False, None)
    assert info.card_data.license == "mit" and info.card_data.base_model == "base/tiny"
    assert {"mlx", "safetensors", "license:mit", "base_model:quantized:base/tiny"} <= set(info.tags)
    weights = next(file for file in info.siblings if file.rfilename == "model.safetensors")
    assert weights.lfs.sha256 == sha256(MODEL / "model.safetensors")
    assert ada.model_info(REPO, expand=["sha"]).sha == info.sha


@check
def list_models():
    assert [model.id for model in ada.list_models(author="acme")] == [REPO]
    assert [model.id for model in ada.list_models(filter="base_model:quantized:base/tiny")] == [REPO]
    assert [model.id for model in ada.list_models(search="tiny-OQ4")] == [REPO]


@check
def exists():
    assert ada.repo_exists(REPO) and not ada.repo_exists("acme/absent")
    assert ada.file_exists(REPO, "config.json") and not ada.file_exists(REPO, "absent")
    assert ada.revision_exists(REPO, "main") and not ada.revision_exists(REPO, "absent")
    raises(RepositoryNotFoundError, lambda: ada.model_info("acme/absent"), 404)
    raises(RepositoryNotFoundError, lambda: HfApi(token=False).model_info("acme/absent"), 401)


@check
def branches_and_tags():
    ada.create_branch(REPO, branch="v1/try")
    raises(HfHubHTTPError, lambda: ada.create_branch(REPO, branch="v1/try"), 409)
    ada.create_branch(REPO, branch="v1/try", exist_ok=True)
    ada.create_tag(REPO, tag="v1.0", tag_message="First")
    raises(HfHubHTTPError, lambda: ada.create_tag(REPO, tag="v1.0"), 409)
    main = ada.model_info(REPO).sha
    made = ada.upload_file(path_or_fileobj=b"t", path_in_repo="t.txt", repo_id=REPO, revision="v1/try")
    refs = ada.list_repo_refs(REPO)
    assert {branch.name: branch.target_commit for branch in refs.branches} == {"main": main, "v1/try": made.oid}
    assert [(tag.name, tag.ref, tag.target_commit) for tag in refs.tags] == [("v1.0", "refs/tags/v1.0", main)]
    assert ada.file_exists(REPO, "t.txt", revision="v1/try") and not ada.file_exists(REPO, "t.txt", revision="v1.0")
    raises(RevisionNotFoundError, lambda: ada.create_branch(REPO, branch="b", revision="absent"), 404)
    ada.delete_branch(REPO, branch="v1/try")
    ada.delete_tag(REPO, tag="v1.0")
    raises(RevisionNotFoundError, lambda: ada.delete_tag(REPO, tag="v1.0"), 404)
    raises(HfHubHTTPError, lambda: ada.delete_branch(REPO, branch="main"), 403)


@check
def list_repo_commits():
    titles = [commit.title for commit in ada.list_repo_commits(REPO, formatted=True)]
    assert titles[-1] == "initial commit" and titles[-2] == "Publish" and len(titles) == 5, titles


@check
def create_pr_merge():
    main = ada.model_info(REPO).sha
    add = CommitOperationAdd("pr.txt", b"proposed")
    made = eve.create_commit(REPO, [add], commit_message="Propose", commit_description="Why", create_pr=True)
    assert made.pr_num == 1 and made.pr_revision == "refs/pr/1"
    assert ada.model_info(REPO).sha == main
    assert ada.file_exists(REPO, "pr.txt", revision=made.pr_revision)
    [pull] = ada.list_repo_refs(REPO, include_pull_requests=True).pull_requests
    assert pull.ref == "refs/pr/1" and pull.target_commit == made.oid
    more = [CommitOperationAdd("pr2.txt", b"more")]
    ada.create_commit(REPO, more, commit_message="More", revision="refs/pr/1")
    details = ada.get_discussion_details(REPO, discussion_num=1)
    assert details.is_pull_request and details.status == "open" and details.conflicting_files == []
    assert [event.type for event in details.events] == ["comment", "commit", "commit"]
    assert [discussion.num for discussion in ada.get_repo_discussions(REPO)] == [1]
    raises(HfHubHTTPError, lambda: eve.merge_pull_request(REPO, 1), 403)
    ada.merge_pull_request(REPO, 1)
    assert ada.file_exists(REPO, "pr2.txt")
    merged = ada.get_discussion_details(REPO, discussion_num=1)
    assert merged.status == "merged" and merged.merge_commit_oid == ada.model_info(REPO).sha


@check
def draft_pull_request():
    draft = ada.create_pull_request(REPO, "A draft", description="Nothing yet")
    assert draft.status == "draft" and draft.git_reference == f"refs/pr/{draft.num}"
    ada.change_discussion_status(REPO, draft.num, "closed")
    assert ada.get_discussion_details(REPO, draft.num).status == "closed"


@check
def parent_commit_guards():
    head = ada.model_info(REPO).sha
    add = lambda name: [CommitOperationAdd(name, name.encode())]  # noqa: E731
    ada.create_commit(REPO, add("one.txt"), commit_message="One", parent_commit=head[:7])
    late = lambda: ada.create_commit(REPO, add("two.txt"), commit_message="Two", parent_commit=head)  # noqa: E731
    raises(HfHubHTTPError, late, 412, "A commit has happened since")
    assert not ada.file_exists(REPO, "two.txt")


@check
def copy_and_delete():
    copies = [CommitOperationCopy("model.safetensors", "copy/model.safetensors"), CommitOperationCopy("config.json", "copy/c.json")]
    ada.create_commit(REPO, copies, commit_message="Copy")
    files = ada.list_repo_files(REPO)
    assert "copy/model.safetensors" in files and "copy/c.json" in files
    ada.create_commit(REPO, [CommitOperationDelete("copy/")], commit_message="Delete folder")
    ada.delete_file("pr.txt", REPO)
    files = ada.list_repo_files(REPO)
    assert "pr.txt" not in files and not any(file.startswith("copy/") for file in files)
    raises(EntryNotFoundError, lambda: ada.delete_file("pr.txt", REPO), 404)


@check
def gated_repo():
    get = lambda api: api.hf_hub_download("closed/base", "config.json", cache_dir=SCRATCH / f"cache-{api.token}")  # noqa: E731
    assert Path(get(ada)).is_file()
    raises(GatedRepoError, lambda: get(eve), 403)
    raises(GatedRepoError, lambda: get(HfApi(token=False)), 401)
    assert eve.model_info("closed/base").gated == "manual"


@check
def private_repo_is_hidden():
    ada.create_repo("acme/secret", private=True)
    assert ada.model_info("acme/secret").private
    raises(RepositoryNotFoundError, lambda: eve.model_info("acme/secret"), 404)
    assert "acme/secret" not in [model.id for model in eve.list_models()]


@check
def model_card_push():
    ModelCard(CARD.replace("# Tiny", "# Pushed")).push_to_hub(REPO, token="hf_ada")
    card = ModelCard.load(ada.hf_hub_download(REPO, "README.md"))
    assert "# Pushed" in card.text and card.data.license == "mit"


@check
def bad_card_is_refused():
    for bad, text in [
        ("license: my-own\n", '"license" must be one of'),
        ("license: other\n", '"license_name"'),
        ("license: mit\nbase_model: not an id\n", '"base_model"'),
        ("license: mit\ntags: {a: 1}\n", '"tags"'),
        ("license: [mit\n", ""),
    ]:
        card = f"---\n{bad}---\n# Bad\n".encode()
        raises(ValueError, lambda: ada.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id=REPO), None, text)
    fine = b"---\nlicense: other\nlicense_name: n\nlicense_link: LICENSE\n---\n"
    ada.upload_file(path_or_fileobj=fine, path_in_repo="README.md", repo_id=REPO)


@check
def hostile_paths_are_refused():
    import httpx2

    head = ada.model_info(REPO).sha
    for path in ["../x", "/x", "a/../../x", ".git/config", "a//b", "a\\b", "", "a\u0000b", "a/.GIT/x", "."]:
        lines = [
            {"key": "header", "value": {"summary": "Hostile", "description": ""}},
            {"key": "file", "value": {"path": path, "content": "eA==", "encoding": "base64"}},
        ]
        answer = httpx2.post(
            f"{os.environ['HF_ENDPOINT']}/api/models/{REPO}/commit/main",
            content="\n".join(json.dumps(line) for line in lines),
            headers={"authorization": "Bearer hf_ada", "content-type": "application/x-ndjson"},
        )
        assert answer.status_code == 400, f"{path!r}: {answer.status_code}"
    assert ada.model_info(REPO).sha == head


@check
def dataset_can_be_read():
    info = bob.dataset_info("acme/text")
    assert info.id == "acme/text" and info.author == "acme" and len(info.sha) == 40
    files = bob.list_repo_files("acme/text", repo_type="dataset")
    assert "evaluation/math.txt" in files and "README.md" in files
    (entry,) = bob.get_paths_info("acme/text", ["evaluation/math.txt"], repo_type="dataset", revision=info.sha)
    path = Path(bob.hf_hub_download("acme/text", "evaluation/math.txt", repo_type="dataset", revision="main"))
    assert path.stat().st_size == entry.size and path.parent.parent.name == info.sha
    raises(RepositoryNotFoundError, lambda: bob.model_info("acme/text"), 404)
    raises(RepositoryNotFoundError, lambda: bob.dataset_info("acme/none"), 404)
    raises(EntryNotFoundError, lambda: bob.hf_hub_download("acme/text", "none.txt", repo_type="dataset"), 404)


@check
def bad_request_is_an_error():
    raises(BadRequestError, lambda: ada.create_branch(REPO, branch="a..b"), 400)


@check
def delete_repo():
    ada.delete_repo("ada/mine")
    raises(RepositoryNotFoundError, lambda: ada.delete_repo("ada/mine"), 404)
    ada.delete_repo("ada/mine", missing_ok=True)
    raises(HfHubHTTPError, lambda: eve.delete_repo(REPO), 403)
    ada.delete_repo(REPO)
    assert not ada.repo_exists(REPO)


warnings.simplefilter("ignore")
for run in checks:
    try:
        run()
        result = {"check": run.__name__, "ok": True, "detail": ""}
    except BaseException:  # noqa: BLE001 - whatever it is, it is this check's result
        result = {"check": run.__name__, "ok": False, "detail": traceback.format_exc()}
    print(json.dumps(result), flush=True)
