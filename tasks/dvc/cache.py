"""Cache: the files of a folder of outputs, as DVC keeps them."""

from pathlib import Path

from tasks.dvc.lock import Artifact


def cached_files(root: Path, folder: Artifact) -> dict[str, Path]:
    """Return the path in DVC's cache of each file of a folder, by the file's name in that folder.

    A file of the cache is named by its digest and is never changed.

    Args:
        root: the checkout or worktree, whose settings say where the cache is.
        folder: a folder of outputs.

    Returns:
        Nothing where the cache does not have all of the folder.
    """
    from dvc.repo import Repo
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.obj import HashFile
    from dvc_data.hashfile.tree import Tree

    digest = HashInfo("md5", folder.md5)
    if not digest.isdir:
        return {}
    with Repo(str(root)) as repo:
        cache = repo.cache.local
        try:
            listed = Tree.load(cache, digest)
        except FileNotFoundError:
            return {}
        files = {}
        for parts, _, item in listed:
            assert item is not None, "a list in the cache has the digest of every file"
            stored: HashFile = cache.get(item.value)
            files["/".join(parts)] = Path(stored.path)
    return files if all(path.is_file() for path in files.values()) else {}
