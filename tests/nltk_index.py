"""NLTK's data server on loopback, for its real downloader: an index of one package and the archive that it names."""

import hashlib
import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def archive(files):
    """A zip file's bytes of {path: bytes}."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as zipped:
        for path, data in files.items():
            zipped.writestr(path, data)
    return content.getvalue()


class Index(ThreadingHTTPServer):
    """``with Index(files) as index:`` serves the corpus machado, {path: bytes}, at ``index.address`` until the end of the block."""

    daemon_threads = True

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.root = f"http://127.0.0.1:{self.server_address[1]}"
        self.address, self.requests = f"{self.root}/index.xml", []
        self.unzipped = sum(map(len, files.values()))
        self.content = archive({f"machado/{path}": data for path, data in files.items()})
        self.sent = self.content  # what goes over the wire; a test may damage it

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """From now on nobody listens there."""
        self.shutdown()
        self.server_close()

    def index(self):
        sums = f'checksum="{hashlib.md5(self.content).hexdigest()}" sha256_checksum="{hashlib.sha256(self.content).hexdigest()}"'
        return (f'<?xml version="1.0"?><nltk_data><packages><package id="machado" name="Machado de Assis" subdir="corpora" unzip="0" '
                f'url="{self.root}/machado.zip" size="{len(self.content)}" unzipped_size="{self.unzipped}" {sums}/></packages>'
                '<collections/></nltk_data>').encode()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path)
        body = {"/index.xml": self.server.index(), "/machado.zip": self.server.sent}.get(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_):
        pass
