"""Checks of branches, commits, pull requests and what is refused. They follow those of hub_files.py."""

import json
import os
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

from hub_clients import CARD, REPO, SCRATCH, ada, bob, check, eve, raises


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
def collections():
    made = ada.create_collection("Tiny oQe", namespace="acme", description="Tiers")
    raises(HfHubHTTPError, lambda: ada.create_collection("Tiny oQe", namespace="acme"), 409)
    assert ada.create_collection("Tiny oQe", namespace="acme", exists_ok=True).slug == made.slug
    raises(HfHubHTTPError, lambda: eve.create_collection("Mine", namespace="acme"), 403)
    ada.add_collection_item(made.slug, REPO, "model", note="4.5 bpw")
    ada.add_collection_item(made.slug, "acme/text", "dataset")
    ada.add_collection_item(made.slug, REPO, "model", exists_ok=True)
    raises(HfHubHTTPError, lambda: ada.add_collection_item(made.slug, "acme/none", "model"), 404)
    items = ada.get_collection(made.slug).items
    assert [(item.item_id, item.note) for item in items] == [(REPO, "4.5 bpw"), ("acme/text", None)]
    ada.update_collection_item(made.slug, items[1].item_object_id, position=0, note="Rows")
    ada.update_collection_metadata(made.slug, description="All tiers")
    [found] = ada.list_collections(owner="acme", item=f"models/{REPO}")
    assert found.description == "All tiers" and [item.note for item in found.items] == ["Rows", "4.5 bpw"]
    ada.delete_collection_item(made.slug, items[0].item_object_id)
    ada.delete_collection_item(made.slug, items[0].item_object_id, missing_ok=True)
    ada.delete_collection(made.slug)
    ada.delete_collection(made.slug, missing_ok=True)


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
