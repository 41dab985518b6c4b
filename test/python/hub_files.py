"""Checks of accounts, repositories and their files. Later checks need what earlier ones made."""

import filecmp
import hashlib
import os
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

from hub_clients import CARD, MODEL, REPO, SCRATCH, ada, bob, check, eve, raises, sha256


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
