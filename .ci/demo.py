"""Starts `speedmimi demo` on free ports, runs every command it prints, and stops it with Ctrl-C."""

import os
import signal
import subprocess
import sys
import threading
import time


def fail(text):
    sys.exit("demo: " + text)


demo = subprocess.Popen(
    [sys.argv[1], "demo", "--port", "0", "--grpc-port", "0", "--admin-port", "0"], stdout=subprocess.PIPE, text=True
)
watchdog = threading.Timer(60, demo.kill)
watchdog.start()
commands = []
for line in demo.stdout:
    print(line, end="")
    if line.startswith("  $ "):
        commands.append(line[4:].strip())
    if line.startswith("Ctrl-C"):
        break
if len(commands) != 5:
    fail(f"it printed {len(commands)} commands instead of five")
for command in commands:
    for attempt in range(50):
        run = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=30)
        if run.returncode == 0:
            break
        time.sleep(0.1)  # the listeners come up after the commands are printed
    if run.returncode != 0 or not run.stdout.strip():
        fail(f"`{command}` ended with {run.returncode}: {run.stdout}{run.stderr}")
    print(f"ok: {command}: {run.stdout.splitlines()[0][:100]}")
demo.send_signal(signal.SIGINT)
code = demo.wait(timeout=30)
watchdog.cancel()
if code != 0:
    fail(f"Ctrl-C ended it with {code}")
print(f"demo: {len(commands)} commands ok, ended with 0")
