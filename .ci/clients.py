"""Runs the pages of docs/clients/ as they stand. For each page the example of its README is started anew on free ports;
its code blocks are run as one program, and every line of its text blocks must be printed, in that order."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Language of a page, and the file and the command that its blocks become. Other blocks of sh prepare for that.
PAGES = {
    "grpcurl": ("sh", "page.sh", ["bash", "-eu"]),
    "python": ("python", "client/client.py", ["venv/bin/python", "-u"]),
    "node": ("js", "client/client.mjs", ["node"]),
}


def fail(text):
    sys.exit(f"clients: {text}")


def text_of(page):
    return (ROOT / "docs" / "clients" / f"{page}.md").read_text()


def blocks(page):
    """Language and text of each fenced block."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL)


class Example:
    """Two backends, and a proxy that knows the first of them."""

    def __init__(self, program, work):
        self.work, self.processes = work, []
        said = self.start([program, "backend", "--port", "0 0"])
        one, two = (re.search(r"127\.0\.0\.1:(\d+)", said.readline())[1] for _ in range(2))
        config = next(text for language, text in blocks("README") if language == "yaml").replace("8081", one)
        config += "server: {host: 127.0.0.1, port: 0}\ngrpc: {port: 0}\nadmin: {port: 0}\nstate: {dir: state}\n"
        (work / "first.yaml").write_text(config)
        announced = json.loads(self.start([program, "run", "-c", "first.yaml", "--announce"]).readline() or "{}")
        if not announced:
            fail(f"the proxy did not start: {(work / 'log').read_text()}")
        self.ports = {"8081": one, "8082": two, "9090": announced["grpc"].rsplit(":", 1)[1]}
        # What the drain waits for.
        self.stream = urllib.request.urlopen(f"http://{announced['listeners']['main']}/sse", timeout=10)
        self.stream.read(1)

    def start(self, command):
        with open(self.work / "log", "a") as log:
            process = subprocess.Popen(command, cwd=self.work, stdout=subprocess.PIPE, stderr=log, text=True)
        self.processes.append(process)
        return process.stdout

    def adapt(self, text):
        """The ports of the page become those that are in use."""
        return re.sub(r"\b(?:8081|8082|9090)\b", lambda found: self.ports[found[0]], text)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            if process.wait(timeout=20) != 0:
                fail(f"{process.args} ended with {process.returncode}")


def run(page, program, tools):
    """Everything of a page; how many lines of it were found to be true."""
    steps = re.findall(r"^## (\d+)\.", text_of(page), re.MULTILINE)
    if steps != [str(number) for number in range(1, 11)]:
        fail(f"{page}.md has the operations {steps} instead of ten")
    work = tools / "clients" / page
    shutil.rmtree(work, ignore_errors=True)
    (work / "client").mkdir(parents=True)
    (work / "proto").symlink_to(ROOT / "proto")
    (work / "venv").symlink_to(tools / "venv")
    (work / "client" / "node_modules").symlink_to(tools / "node" / "node_modules")
    language, file, command = PAGES[page]
    found = blocks(page)
    with Example(program, work) as example:
        # What installs was done before, for good; of grpcurl.md, sh is the program.
        prepare = [text for kind, text in found if kind == "sh" and language != "sh" and " install " not in text]
        (work / file).write_text(example.adapt("\n".join(text for kind, text in found if kind == language)))
        path = f"{tools}/venv/bin:{os.environ['PATH']}"
        output = ""
        for words in [*(["bash", "-euc", text] for text in prepare), [*command, file]]:
            with subprocess.Popen(
                words, cwd=work, env={**os.environ, "PATH": path}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            ) as process:
                try:
                    output += process.communicate(timeout=90)[0]
                except subprocess.TimeoutExpired:
                    process.kill()
                    fail(f"{page}.md: not done after 90 s\n{output}{process.communicate()[0]}")
            if process.returncode != 0:
                fail(f"{page}.md: {' '.join(words)} ended with {process.returncode}\n{output}")
        promised = [line.strip() for kind, text in found if kind == "text" for line in text.splitlines()]
        at = 0
        for promise in map(example.adapt, promised):
            begin = output.find(promise, at)
            if begin < 0:
                fail(f"{page}.md: {promise!r} is not printed, or not behind the line before it\n{output}")
            at = begin + len(promise)
    return len(promised)


def main(program, tools):
    for page in PAGES:
        begin = time.monotonic()
        lines = run(page, program, Path(tools))
        print(f"clients: {page}: ten operations, {lines} lines as promised, {time.monotonic() - begin:.0f} s")


main(*sys.argv[1:])
