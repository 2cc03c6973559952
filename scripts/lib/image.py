"""Checks what is in a container image, byte by byte: image.py ARCHIVE (OCI), on which a line for each check is printed.

That of `cargo auditable` is skipped where the program was built without it. The last line is `N passed, N failed, N skipped`.
"""

import io
import json
import pathlib
import ssl
import stat
import struct
import sys
import tarfile
import zlib

MOST = 120 * 1000 * 1000
PROGRAM, AUTHORITIES, BILL = "writ-server", "etc/ssl/certs/ca-certificates.crt", "sbom.cdx.json"
LABELS = {"title", "description", "licenses", "version", "revision", "created"}


class Skipped(Exception):
    """Says why a check was not made."""


class Image:
    """An image's settings and the files of all its layers."""

    def __init__(self, archive):
        with tarfile.open(archive) as outer:
            blobs = {member.name: outer.extractfile(member).read() for member in outer if member.isfile()}
        blob = lambda digest: blobs["blobs/" + digest.replace(":", "/")]
        [manifest] = json.loads(blobs["index.json"])["manifests"]
        manifest = json.loads(blob(manifest["digest"]))
        self.config = json.loads(blob(manifest["config"]["digest"]))["config"]
        self.entries, self.contents = {}, {}
        for layer in manifest["layers"]:
            with tarfile.open(fileobj=io.BytesIO(blob(layer["digest"]))) as inner:
                for member in inner:
                    name = member.name.strip("./").rstrip("/")
                    self.entries[name] = member
                    if member.isfile():
                        self.contents[name] = inner.extractfile(member).read()


def labels_and_user(image):
    labels = {name.rpartition(".")[2]: value for name, value in image.config["Labels"].items() if name.startswith("org.opencontainers.image.")}
    assert LABELS <= set(labels) and all(labels.values()), labels
    assert image.config["User"] == "65532:65532", image.config["User"]
    assert image.config["Entrypoint"] == [f"/{PROGRAM}"] and not image.config.get("Cmd"), image.config
    assert f"SSL_CERT_FILE=/{AUTHORITIES}" in image.config["Env"], image.config["Env"]


def nothing_else_is_in_it(image):
    assert set(image.contents) == {PROGRAM, AUTHORITIES, BILL}, sorted(image.contents)
    size = sum(map(len, image.contents.values()))
    assert size <= MOST, f"{size} bytes"


def any_user_can_run_it(image):
    """Whoever runs it can read all and run the program, owns nothing, and may write to /tmp alone."""
    for name, entry in image.entries.items():
        mode = stat.S_IMODE(entry.mode)
        assert (entry.uid, entry.gid) == (0, 0), f"{name} belongs to {entry.uid}:{entry.gid}"
        assert entry.isfile() or entry.isdir(), f"{name} is neither file nor folder"
        if name == "tmp":
            assert mode == 0o1777, oct(mode)
            continue
        assert not mode & 0o7022, f"{name} has mode {mode:o}"
        assert mode & 0o4 and (mode & 0o1 or not (entry.isdir() or name == PROGRAM)), f"{name} has mode {mode:o}"
    assert "tmp" in image.entries


def the_program_is_static(image):
    program = image.contents[PROGRAM]
    assert program[:5] == b"\x7fELF\x02", "no 64-bit ELF"
    start, size, count = struct.unpack_from("<Q", program, 32)[0], *struct.unpack_from("<HH", program, 54)
    kinds = [struct.unpack_from("<I", program, start + size * number)[0] for number in range(count)]
    assert 3 not in kinds, "it names an interpreter: it is linked to libraries that the image has not"


def the_authorities_are_usable(image):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=image.contents[AUTHORITIES].decode())
    count = context.cert_store_stats()["x509_ca"]
    assert count >= 100, f"only {count} authorities"


def the_bill_of_materials_is_whole(image):
    bill = json.loads(image.contents[BILL])
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.5", 1), bill["specVersion"]
    assert bill["serialNumber"].startswith("urn:uuid:") and bill["metadata"]["timestamp"].endswith("Z")
    root = bill["metadata"]["component"]
    assert root["version"] == image.config["Labels"]["org.opencontainers.image.version"], root
    names = [component["bom-ref"] for component in bill["components"]]
    assert len(names) == len(set(names)) > 200, len(names)
    for component in bill["components"]:
        assert component["purl"] == f"pkg:cargo/{component['name']}@{component['version']}", component
    known = {*names, root["bom-ref"]}
    edges = {edge["ref"]: edge["dependsOn"] for edge in bill["dependencies"]}
    assert set(edges) == known and all(known.issuperset(ends) for ends in edges.values()), "an edge leads nowhere"
    unlicensed = [component["name"] for component in bill["components"] if not component.get("licenses")]
    assert not unlicensed, unlicensed


def the_program_says_what_it_is_made_of(image):
    """What `cargo auditable` wrote into the program is what the bill of materials says.

    Of macros it tells some and leaves out others.
    """
    section = elf_section(image.contents[PROGRAM], b".dep-v0")
    if section is None:
        raise Skipped("the program was built without cargo auditable (WRIT_IMAGE_AUDITABLE=0)")
    packages = json.loads(zlib.decompress(section))["packages"]
    told = {f"pkg:cargo/{p['name']}@{p['version']}" for p in packages if p.get("kind", "runtime") == "runtime"}
    bill = json.loads(image.contents[BILL])
    billed = {bill["metadata"]["component"]["bom-ref"], *(component["purl"] for component in bill["components"])}
    linked = {component["purl"] for component in bill["components"] if component["scope"] == "required"}
    assert len(linked) > 200, len(linked)
    assert told <= billed, f"only in the program: {sorted(told - billed)}"
    assert linked <= told, f"only in the bill: {sorted(linked - told)}"


def elf_section(program, wanted):
    """Gives a section's bytes, or nothing."""
    offset = struct.unpack_from("<Q", program, 40)[0]
    size, count, names = struct.unpack_from("<HHH", program, 58)
    headers = [struct.unpack_from("<IIQQQQ", program, offset + size * number) for number in range(count)]
    text = headers[names][4]
    for name, _, _, _, start, length in headers:
        if program[text + name:].startswith(wanted + b"\0"):
            return program[start:start + length]
    return None


CHECKS = [labels_and_user, nothing_else_is_in_it, any_user_can_run_it, the_program_is_static, the_authorities_are_usable,
          the_bill_of_materials_is_whole, the_program_says_what_it_is_made_of]


def main():
    image = Image(pathlib.Path(sys.argv[1]))
    counts = {"ok": 0, "FAILED": 0, "skipped": 0}
    for check in CHECKS:
        word, why = "ok", ""
        try:
            check(image)
        except Skipped as reason:
            word, why = "skipped", f": {reason}"
        except Exception as error:  # whatever is wrong with an image is a failure of this check
            word, why = "FAILED", f": {type(error).__name__} {error}"
        counts[word] += 1
        print(f"test image: {check.__name__} ... {word}{why}", flush=True)
    print(f"{counts['ok']} passed, {counts['FAILED']} failed, {counts['skipped']} skipped")
    sys.exit(1 if counts["FAILED"] else 0)


main()
