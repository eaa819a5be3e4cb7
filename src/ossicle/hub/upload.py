"""Upload of a folder to a repository on the hub, in one commit."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ossicle.errors import HubError
from ossicle.hub.failures import failures
from ossicle.hub.snapshot import quiet_hub
from ossicle.paths import HubName


@dataclass(frozen=True)
class Uploaded:
    """What is on the hub after an upload.

    Attributes:
        url: Page of the repository, or of the branch.
        commit: The commit.
        is_new: Whether anything was different there.
    """

    url: str
    commit: str
    is_new: bool


def upload(folder: Path, name: HubName, *, private: bool, replaces: Sequence[str]) -> Uploaded:
    """Upload the files of a folder; those that are there already are not sent again.

    All appear together, so that an interrupted upload leaves the repository as it was; the next one
    sends what is missing.

    Args:
        folder: The folder.
        name: The repository, which is created if it does not exist; its revision is a branch.
        private: Whether only its owner may see it.
        replaces: Patterns of files that are deleted where the folder does not have them.

    Raises:
        HubError: there is no token that may write to it, the connection fails, or the repository
            exists and is public although it is to be private.
    """
    from huggingface_hub import HfApi

    api = HfApi(library_name="ossicle")
    what, branch = str(name), name.revision
    with quiet_hub(), failures(what, writing=True):
        api.whoami()  # whether the token is one, before anything is created
        api.create_repo(name.repo, private=private or None, exist_ok=True)
        if private and not api.model_info(name.repo).private:
            raise HubError(
                f"'{what}' exists and is public, so --private would not hide the run. Make it "
                "private in its settings on the hub, or choose another name"
            )
        if branch is not None:
            api.create_branch(name.repo, branch=branch, exist_ok=True)
        before = api.model_info(name.repo, revision=branch).sha
        done = api.upload_folder(
            repo_id=name.repo,
            folder_path=folder,
            revision=branch,
            commit_message="Upload with ossicle",
            delete_patterns=list(replaces),
        )
    page = f"{api.endpoint}/{name.repo}"
    url = page if branch is None else f"{page}/tree/{branch}"
    return Uploaded(url, str(done.oid), is_new=done.oid != before)
