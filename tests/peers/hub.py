"""Downloads a model with the real huggingface_hub from a server on this machine: into a cache, and with --local-dir.

    hub.py MODEL CACHE LOCAL

The server answers as the hub does: files named like weights carry the SHA-256 as etag and an Xet hash, the others git's
SHA-1 of the blob. Only the transport of Xet is replaced, since its protocol needs the hub's own servers; what the client
does with the bytes (blobs, the store that repositories share, links, notes) is its own.
"""

import hashlib
import http.server
import os
import pathlib
import sys
import threading

model, cache, local = map(pathlib.Path, sys.argv[1:4])
COMMIT = "c0ffee" + "0" * 34


class Hub(http.server.BaseHTTPRequestHandler):
    def do_GET(self, body=True):
        name = self.path.partition(f"/resolve/")[2].partition("/")[2]
        path = model / name
        if not name or not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        large = path.suffix in (".safetensors", ".bin")
        git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        sha256 = hashlib.sha256(data).hexdigest()
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{sha256 if large else git}"')
        if large:
            self.send_header("X-Xet-Hash", hashlib.blake2b(data, digest_size=32).hexdigest())
            self.send_header("X-Xet-Refresh-Route", "/none")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)

    def do_HEAD(self):
        self.do_GET(body=False)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ["HF_ENDPOINT"] = f"http://127.0.0.1:{server.server_port}"
os.environ["HF_HOME"] = str(cache / "home")
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
    os.environ.pop(proxy, None)

from huggingface_hub import file_download, hf_hub_download  # noqa: E402  (reads the environment)

by_xet_hash = {
    hashlib.blake2b(path.read_bytes(), digest_size=32).hexdigest(): path for path in model.rglob("*") if path.is_file()
}
file_download.xet_get = lambda *, incomplete_path, xet_file_data, **_: incomplete_path.write_bytes(
    by_xet_hash[xet_file_data.file_hash].read_bytes()
)
file_download.is_xet_available = lambda: True
for path in sorted(model.rglob("*")):
    if path.is_file():
        name = path.relative_to(model).as_posix()
        hf_hub_download("acme/tiny", name, cache_dir=cache / "hub")
        hf_hub_download("acme/tiny", name, local_dir=local)
