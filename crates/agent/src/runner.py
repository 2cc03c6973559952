"""Runs one function of one plugin, in a process of its own.

The request comes on descriptor 0: its length in decimal, a newline, then JSON. The answer goes to what was
descriptor 1: one line of JSON. The plugin itself sees an empty standard input, and all it prints goes to
descriptor 2, so it cannot be taken for the answer. When descriptor 0 is closed by the other side, the process that
asked is gone, and this one ends with everything it started.
"""

import json
import linecache
import os
import signal
import sys
import threading
import traceback
import types

NAME = "plugin"
FILE = "<plugin>"


def main():
    os.closerange(3, 1 << 16)  # what the agent itself inherited is not the plugin's either
    requests, answers = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    request = read_request(requests)
    threading.Thread(target=end_with, args=(requests,), daemon=True).start()
    try:
        answer = encode(run(request), request["limit"])
    except BaseException as error:  # a plugin may raise anything, SystemExit too
        traceback.print_exc()
        answer = json.dumps({"error": describe(error)})
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass
    write(answers, answer.encode("ascii") + b"\n")
    os._exit(0)


def read_request(descriptor):
    length = b""
    while not length.endswith(b"\n"):
        length += os.read(descriptor, 1) or sys.exit("no request")
    body = bytearray()
    while len(body) < int(length):
        body += os.read(descriptor, int(length) - len(body)) or sys.exit("no request")
    return json.loads(body)


def end_with(descriptor):
    while os.read(descriptor, 1):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)


def run(request):
    source = request["source"]
    linecache.cache[FILE] = (len(source), None, source.splitlines(True), FILE)
    module = types.ModuleType(NAME)
    module.__file__ = FILE
    sys.modules[NAME] = module
    exec(compile(source.encode("utf-8"), FILE, "exec"), module.__dict__)
    return getattr(module.Plugin(), request["function"])(**request["arguments"])


class NotJson(Exception):
    pass


def encode(value, limit):
    try:
        text = json.dumps({"value": value}, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise NotJson(f"the function returned what is not JSON: {error}") from None
    if len(text) > limit:
        raise NotJson(f"the function returned {len(text)} bytes of JSON, the limit is {limit}")
    return text


def describe(error):
    if isinstance(error, NotJson):
        return str(error)
    last = traceback.format_exception_only(type(error), error)[-1].strip()
    lines = [line for file, line, *_ in traceback.extract_tb(error.__traceback__) if file == FILE]
    return f"{last} (plugin line {lines[-1]})" if lines else last


def write(descriptor, data):
    while data:
        data = data[os.write(descriptor, data):]


main()
