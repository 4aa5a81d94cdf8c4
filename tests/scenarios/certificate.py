"""Certificates for the scenarios, made by the openssl command: between any dates, for any name, of an authority of our own."""
import datetime
import os
import subprocess

CONFIGURATION = """[ca]
default_ca = here
[here]
new_certs_dir = .
database = index.txt
unique_subject = no
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign
[names]
subjectAltName = {names}
"""


def run(folder, *words):
    done = subprocess.run(["openssl", *words], cwd=folder, check=False, stdin=subprocess.DEVNULL, capture_output=True, timeout=20)
    if done.returncode != 0:
        raise OSError(f"openssl {words[0]}: {done.stderr.decode(errors='replace')}")


def day(offset):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=offset)).strftime("%Y%m%d%H%M%SZ")


def make(folder, file, names, first_day=-1, last_day=30, authority=None):
    """Writes FILE.pem and FILE-key.pem for subject alternative names ("DNS:localhost,IP:127.0.0.1"; "CA" makes an authority),
    valid between two days counted from now, signed by AUTHORITY.pem or by itself."""
    with open(os.path.join(folder, "ca.cnf"), "w", encoding="utf-8") as out:
        out.write(CONFIGURATION.format(names="DNS:authority" if names == "CA" else names))
    with open(os.path.join(folder, "index.txt"), "w", encoding="utf-8"):
        pass
    key, request = f"{file}-key.pem", f"{file}-request.pem"
    run(folder, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
    os.chmod(os.path.join(folder, key), 0o600)
    run(folder, "req", "-new", "-config", "ca.cnf", "-key", key, "-subj", f"/CN={file}", "-out", request)
    signer = ["-cert", f"{authority}.pem", "-keyfile", f"{authority}-key.pem"] if authority else ["-selfsign", "-keyfile", key]
    run(folder, "ca", "-batch", "-notext", "-config", "ca.cnf", *signer, "-in", request, "-out", f"{file}.pem",
        "-extensions", "authority" if names == "CA" else "names", "-startdate", day(first_day), "-enddate", day(last_day))
