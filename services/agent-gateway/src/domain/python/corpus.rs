//! What Python's own compiler takes and refuses, side by side with what is taken and refused here.

use super::read;
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};

/// Takes each source as the bytes of a file and says whether it compiles.
const COMPILE: &str = "
import json, sys
def compiles(source):
    try:
        compile(source.encode(), 'plugin.py', 'exec')
        return True
    except (SyntaxError, ValueError):
        return False
print(json.dumps([compiles(source) for source in json.load(sys.stdin)]))";

/// Compile in every Python from 3.11 on.
const GOOD: [&str; 80] = [
    "def f():\n    x = 1\n    def g():\n        nonlocal x\n        x = 2\n",
    "def f(x):\n    def g():\n        nonlocal x\n        x = 2\n",
    "def f():\n    def g():\n        nonlocal x\n        x = 2\n    x = 1\n",
    "def f():\n    x = 1\n    class C:\n        nonlocal x\n        x = 2\n",
    "def f():\n    x = 1\n    class C:\n        def g(self):\n            nonlocal x\n",
    "def f():\n    for x in (): pass\n    def g():\n        nonlocal x\n",
    "def f():\n    with open('a') as x: pass\n    def g():\n        nonlocal x\n",
    "def f():\n    import a.b as x, c.d\n    def g():\n        nonlocal x, c\n",
    "def f():\n    from a import b as x\n    def g():\n        nonlocal x\n",
    "def f():\n    try: pass\n    except E as x: pass\n    def g():\n        nonlocal x\n",
    "def f():\n    [y := 1 for z in ()]\n    def g():\n        nonlocal y\n",
    "def f():\n    def x(): pass\n    class y: pass\n    def g():\n        nonlocal x, y\n",
    "def f(v):\n    match v:\n        case [x, *y]: pass\n        case {'a': z, **w}: pass\n    def g():\n        nonlocal x, y, z, w\n",
    "def f():\n    x: int\n    def g():\n        nonlocal x\n",
    "def f():\n    x += 1\n    del y\n    def g():\n        nonlocal x, y\n",
    "def f():\n    x = 1\n    def g():\n        nonlocal x\n        def h():\n            nonlocal x\n            x = 3\n",
    "class C:\n    def f(self):\n        nonlocal __class__\n",
    "def f(a=(x := 1)):\n    pass\n",
    "def f():\n    def g(a=(x := 1)): pass\n    def h():\n        nonlocal x\n",
    "global x\nx = 1\n",
    "def f():\n    global x\n    x = 1\n    print(x)\n",
    "def f():\n    global x\n    for x in (): pass\n    import x\n    def x(): pass\n",
    "x = 1\ndef f():\n    y = x\n    def g():\n        global x\n        x = y\n",
    "class C:\n    global x\n    x = 1\n",
    "def f(a, /, b, *c, d, **e): pass\n",
    "def f(*, a): pass\n",
    "f = lambda a, *b, **c: (a, b, c)\n",
    "lambda: (yield)\n",
    "def f():\n    x = yield\n    yield from ()\n    return (yield)\n",
    "async def f():\n    await g()\n    async with a as b, c: pass\n    async for i in x: pass\n    return [i async for i in x]\n",
    "async def f():\n    yield 1\n    return\n",
    "async def f():\n    return {k: await v for k, v in x}\n",
    "def f():\n    return (i async for i in x)\n",
    "async def f():\n    def g():\n        yield 1\n",
    "from __future__ import annotations\nx: 1\n",
    "'a doc string'\nfrom __future__ import annotations, division\nimport os\n",
    "# a comment\nfrom __future__ import annotations\nfrom __future__ import division\n",
    "from os import *\n",
    "if 1:\n    from os import *\n",
    "*a, b = c\n[*a] = c\n(*a,) = c\na, (*b, c), *d = e\n",
    "for *a, b in c: pass\nfor a in *b, *c: pass\n",
    "def f(): return *a, b\n",
    "def f(): yield *a, b\n",
    "x = *a,\nprint(*a, *b, **c, **d)\n",
    "x = [*a, *b]; y = {*a}; z = {**a, 'b': 1}\n",
    "if __debug__: pass\nx = __debug__\n",
    "while 1:\n    if 1: break\n    for i in x: continue\n    else: break\n",
    "for i in x:\n    try: continue\n    finally: break\n",
    "for i in x:\n    with a: break\n    match a:\n        case _: continue\n",
    "def f():\n    while 1:\n        def g(): return 1\n        break\n",
    "match x:\n    case 1 | 2: pass\n    case {'a': a}: pass\n    case C(a, b=b): pass\n    case y if y: pass\n    case _: pass\n",
    "match = case = 1\nmatch[case]\n",
    "try: pass\nexcept A: pass\nexcept (B, C) as e: pass\nexcept: pass\nelse: pass\nfinally: pass\n",
    "class C(A, B, metaclass=M, **k): pass\n",
    "@a.b(1)\n@(lambda f: f)\ndef f(): pass\n",
    "[x for x in y if (z := x)]\n",
    "class C:\n    a = [b for b in range(3)]\n    c = lambda self: [(d := e) for e in self]\n",
    "def f(a, b): pass\nf(a=1, b=2)\nf(*a, b=1)\nf(**a, b=1)\n",
    "x = 0xFF + 0o17 + 0b1 + 1_000 + 1e3 + 1j\n",
    "print(f'{a!r:>{b}} {{}} {c=}', rb'\\x', '\\N{BULLET}')\n",
    "assert (a, b), 'c'\nraise A from B\n",
    "\u{feff}größe = '漢字'\n",
    "x = 1\r\ny = 2\rz = 3\n",
    "if 1:\n\tx = 1\n\ty = 2\n",
    "def f():\n    x = 1\n    def g():\n        import x\n        nonlocal x\n",
    "def f():\n    import x\n    global x\n",
    "# -*- coding: utf-8 -*-\nx = 'ü'\n",
    "#!/usr/bin/python3\n# vim: set fileencoding=utf_8 :\nx = 'ü'\n",
    "#!/usr/bin/python3\r\n# coding=UTF-8-unix\r\n",
    "# coding: latin-1\nx = 1\n",
    "# coding: us-ascii\n",
    "x = 1\n# coding: nothing\n",
    "\n\n# coding: nothing\n",
    "x = '# coding: nothing'\n",
    "# encoding nothing, codings: none\n\nx = 1\n",
    "# coding: 'nothing'\n",
    "for i in x:\n    try: pass\n    except* E:\n        for j in i: break\n",
    "for i in x:\n    try: break\n    except* E: pass\n    else: continue\n",
    "def f():\n    try: pass\n    except* E:\n        def g(): return 1\n",
    "\u{feff}# coding: utf-8\nx = 1\n",
];

/// Compile in no Python from 3.11 on.
const BAD: [&str; 100] = [
    "nonlocal x\n",
    "def f():\n    nonlocal x\n",
    "x = 1\ndef f():\n    nonlocal x\n",
    "class C:\n    x = 1\n    def f(self):\n        nonlocal x\n",
    "def f():\n    global x\n    def g():\n        nonlocal x\n",
    "def f():\n    x = 1\n    def g():\n        global x\n        def h():\n            nonlocal x\n",
    "def f():\n    def g():\n        x = 1\n    def h():\n        nonlocal x\n",
    "def f():\n    (lambda: (x := 1))\n    def g():\n        nonlocal x\n",
    "def f(x):\n    nonlocal x\n",
    "def f():\n    x = 1\n    def g():\n        x = 2\n        nonlocal x\n",
    "def f():\n    x = 1\n    def g():\n        print(x)\n        nonlocal x\n",
    "def f():\n    x = 1\n    def g():\n        nonlocal x\n        global x\n",
    "def f(x):\n    global x\n",
    "x = 1\nglobal x\n",
    "def f():\n    x = 1\n    global x\n",
    "def f():\n    print(x)\n    global x\n",
    "def f():\n    for x in (): pass\n    global x\n",
    "def f():\n    def x(): pass\n    global x\n",
    "def f():\n    global x\n    x: int = 1\n",
    "def f(a, a): pass\n",
    "def f(a, *a): pass\n",
    "def f(a, *, b, **a): pass\n",
    "lambda a, a: 1\n",
    "def f(a=1, b): pass\n",
    "def f(*): pass\n",
    "def f(**a, b): pass\n",
    "f(a=1, a=2)\n",
    "f(a=1, 2)\n",
    "f(**a, *b)\n",
    "class C(a=1, a=2): pass\n",
    "return 1\n",
    "class C:\n    return 1\n",
    "yield 1\n",
    "class C:\n    yield 1\n",
    "def f():\n    class C:\n        yield 1\n",
    "def f(): [(yield i) for i in x]\n",
    "def f(): ((yield i) for i in x)\n",
    "x = yield from y\n",
    "await x\n",
    "def f():\n    await x\n",
    "async def f():\n    def g():\n        await x\n",
    "async def f():\n    lambda: await x\n",
    "class C:\n    await x\n",
    "def f():\n    async with x: pass\n",
    "def f():\n    async for i in x: pass\n",
    "def f():\n    return [i async for i in x]\n",
    "async def f():\n    yield from x\n",
    "async def f():\n    yield 1\n    return 2\n",
    "break\n",
    "continue\n",
    "def f():\n    break\n",
    "if 1:\n    continue\n",
    "while 1:\n    class C:\n        break\n",
    "for i in x:\n    def f():\n        continue\n",
    "for i in x: pass\nelse: break\n",
    "__debug__ = 1\n",
    "def f(__debug__): pass\n",
    "def __debug__(): pass\n",
    "import a as __debug__\n",
    "for __debug__ in x: pass\n",
    "with a as __debug__: pass\n",
    "import os\nfrom __future__ import annotations\n",
    "x = 1\nfrom __future__ import annotations\n",
    "'a'\n'b'\nfrom __future__ import annotations\n",
    "def f():\n    from __future__ import annotations\n",
    "from __future__ import braces\n",
    "from __future__ import nothing\n",
    "def f():\n    from os import *\n",
    "class C:\n    from os import *\n",
    "*a = b\n",
    "*a, *b = c\n",
    "[*a, *b] = c\n",
    "x = *a\n",
    "def f(): return *a\n",
    "*a\n",
    "del *a\n",
    "match x:\n    case _: pass\n    case 1: pass\n",
    "match x:\n    case y: pass\n    case 1: pass\n",
    "match x:\n    case [a, a]: pass\n",
    "match x:\n    case {'a': 1, 'a': 2}: pass\n",
    "match x:\n    case a | 1: pass\n",
    "[x := 1 for x in y]\n",
    "[i for i in (j := y)]\n",
    "class C:\n    [(a := b) for b in c]\n",
    "f() = 1\n",
    "try: pass\nexcept: pass\nexcept A: pass\n",
    "# coding: nothing\nx = 1\n",
    "#!/usr/bin/python3\n# -*- coding: rot13 -*-\n",
    "\n# coding: nothing\n",
    "\t\x0c# coding:nothing\n",
    "# coding: coding=nothing\n",
    "# coding: ascii\nx = 'ü'\n",
    "\r\n# coding=nothing\r\n",
    "\u{feff}# coding: latin-1\nx = 1\n",
    "# coding:# coding=nothing\n",
    "for i in x:\n    try: pass\n    except* E: break\n",
    "for i in x:\n    try: pass\n    except* E: continue\n",
    "def f():\n    try: pass\n    except* E: return\n",
    "for i in x:\n    try: pass\n    except* E:\n        try: break\n        except: pass\n",
    "with a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a: pass\n",
];

#[test]
fn blocks_are_counted_as_the_compilers_of_today_do() {
    let within = |open: &str, close: &str, depth: usize| {
        let pad = |depth: usize| " ".repeat(depth);
        let opened = (0..depth).map(|at| open.replace('>', &pad(at)));
        let closed = (0..depth).rev().map(|at| close.replace('>', &pad(at)));
        opened.collect::<String>() + &pad(depth) + "pass\n" + &closed.collect::<String>()
    };
    for (open, close, most) in [
        (">while 1:\n", "", 20),
        (">for i in x:\n", "", 20),
        (">with a, b:\n", "", 10),
        (">try:\n", ">except E: pass\n", 19),
        (">try:\n", ">finally: pass\n", 20),
        (">try:\n> pass\n>except E:\n", "", 10),
    ] {
        assert_eq!(read(&within(open, close, most)).err(), None, "{open}");
        let fault = read(&within(open, close, most + 1)).err();
        assert!(fault.is_some_and(|fault| fault.contains("nested blocks")), "{open}");
    }
    let fresh = format!("{}{}def f():\n", within(">while 1:\n", "", 20), " ".repeat(20));
    assert_eq!(read(&(fresh + &" ".repeat(21) + "while 1: pass\n")).err(), None);
}

fn python(sources: &[&str]) -> Option<Vec<bool>> {
    let mut child = Command::new("python3")
        .args(["-W", "ignore", "-c", COMPILE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take().unwrap().write_all(json!(sources).to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    Some(told.as_array().unwrap().iter().map(|compiles| compiles.as_bool().unwrap()).collect())
}

#[test]
fn a_script_is_taken_if_python_compiles_it() {
    let sources: Vec<&str> = GOOD.into_iter().chain(BAD).collect();
    // where there is no Python, what it said is written down
    let told =
        python(&sources).unwrap_or_else(|| (0..sources.len()).map(|at| at < GOOD.len()).collect());
    let mut other = Vec::new();
    for (at, (source, compiles)) in sources.iter().zip(told).enumerate() {
        let ours = read(source);
        if ours.is_ok() != compiles || compiles != (at < GOOD.len()) {
            other.push(format!("{source:?}: python {compiles}, here {ours:?}"));
        }
    }
    assert_eq!(other, Vec::<String>::new());
}
