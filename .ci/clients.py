"""Runs the pages of docs/clients/ as they stand. For each page the example of its README is started anew on free ports;
its code blocks are run as one program, and every line of its text blocks must be printed, in that order."""

import json
import os
import re
import shutil
import signal
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
        self.program, self.work, self.processes, self.stream = program, work, [], None

    def __enter__(self):
        try:
            self.begin()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_):
        codes = self.end()
        if any(codes):
            fail(f"proxy and backends ended with {codes} instead of 0")

    def begin(self):
        said = self.start([self.program, "backend", "--port", "0 0"])
        one, two = (re.search(r"127\.0\.0\.1:(\d+)", said.readline())[1] for _ in range(2))
        config = next(text for language, text in blocks("README") if language == "yaml").replace("8081", one)
        config += "server: {host: 127.0.0.1, port: 0}\ngrpc: {port: 0}\nadmin: {port: 0}\nstate: {dir: state}\n"
        (self.work / "first.yaml").write_text(config)
        announced = self.start([self.program, "run", "-c", "first.yaml", "--announce"]).readline()
        if not announced:
            fail(f"the proxy did not start: {(self.work / 'log').read_text()}")
        announced = json.loads(announced)
        self.ports = {"8081": one, "8082": two, "9090": announced["grpc"].rsplit(":", 1)[1]}
        # What the drain waits for.
        self.stream = urllib.request.urlopen(f"http://{announced['listeners']['main']}/sse", timeout=10)
        self.stream.read(1)

    def start(self, command):
        with open(self.work / "log", "a") as log:
            process = subprocess.Popen(command, cwd=self.work, stdout=subprocess.PIPE, stderr=log, text=True)
        self.processes.append(process)
        return process.stdout

    def end(self):
        """Stops everything, the proxy first; with which codes it ended."""
        if self.stream:
            self.stream.close()
        codes = []
        for process in reversed(self.processes):
            process.terminate()
            try:
                codes.append(process.wait(timeout=20))
            except subprocess.TimeoutExpired:
                process.kill()
                codes.append(process.wait())
        return codes

    def adapt(self, text):
        """The ports of the page become those that are in use."""
        return re.sub(r"\b(?:8081|8082|9090)\b", lambda found: self.ports[found[0]], text)


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
        environment = {**os.environ, "PATH": f"{tools}/venv/bin:{os.environ['PATH']}"}
        output = ""
        for words in [*(["bash", "-euc", text] for text in prepare), [*command, file]]:
            output += execute(page, words, work, environment)
        promised = [line.strip() for kind, text in found if kind == "text" for line in text.splitlines()]
        at = 0
        for promise in map(example.adapt, promised):
            begin = output.find(promise, at)
            if begin < 0:
                fail(f"{page}.md: {promise!r} is not printed, or not behind the line before it\n{output}")
            at = begin + len(promise)
    return len(promised)


def execute(page, words, work, environment):
    """What a command prints; it must end well, and soon."""
    output = work / "output"
    with open(output, "w") as file:
        process = subprocess.Popen(
            words, cwd=work, env=environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code = process.wait(timeout=90)
        except subprocess.TimeoutExpired:
            code = "nothing after 90 s"
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if code != 0:
        fail(f"{page}.md: {' '.join(words)} ended with {code}\n{output.read_text()}")
    return output.read_text()


def main(program, tools):
    for page in PAGES:
        begin = time.monotonic()
        lines = run(page, program, Path(tools))
        print(f"clients: {page}: ten operations, {lines} lines as promised, {time.monotonic() - begin:.0f} s")


main(*sys.argv[1:])
