"""How much all who see the page can leave on this machine."""

from pathlib import Path

from starlette.middleware import Middleware
from starlette.responses import JSONResponse

LARGEST = 200 * 2**20  # bytes of an upload
MOST, ROOM = 500, 4 * 2**30  # uploads that lie here at once, and their bytes


class BoundedUploads:
    """Refuses uploads while those in a folder are as many, or as large, as is allowed.

    An ASGI middleware. The page forgets uploads after an hour.
    """

    def __init__(self, app, folder: str | Path):
        self.app, self.folder = app, Path(folder)

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and scope["path"].endswith("/upload") and self.is_full():
            text = "Too much has been uploaded: try again in an hour, or start the page anew."
            await JSONResponse({"detail": text}, status_code=507)(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def is_full(self) -> bool:
        """Whether nothing more is taken."""
        sizes = [path.stat().st_size for path in self.folder.rglob("*") if path.is_file()]
        return len(sizes) >= MOST or sum(sizes) >= ROOM


def bounds(folder: str | Path) -> dict:
    """What bounds the uploads in this folder, for `launch`."""
    bounded = Middleware(BoundedUploads, folder=folder)
    return {"max_file_size": LARGEST, "app_kwargs": {"middleware": [bounded]}}
