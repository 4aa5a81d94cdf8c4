"""A self-signed certificate for localhost with given dates, by the openssl command."""
import datetime
import os
import subprocess

CA = """[ca]
default_ca = here
[here]
new_certs_dir = {folder}
database = {folder}/index.txt
serial = {folder}/serial
default_md = sha256
policy = any
x509_extensions = names
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
[names]
subjectAltName = DNS:localhost,IP:127.0.0.1
"""


def make(folder, first_day, last_day):
    """Writes key.pem and certificate.pem, valid between two days counted from now."""
    def run(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=20)

    def day(offset):
        return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=offset)).strftime("%Y%m%d%H%M%SZ")

    with open(os.path.join(folder, "ca.cnf"), "w", encoding="utf-8") as file:
        file.write(CA.format(folder=folder))
    for name, text in (("index.txt", ""), ("serial", "1000\n")):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    run("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "key.pem")
    os.chmod(os.path.join(folder, "key.pem"), 0o600)
    run("req", "-new", "-config", "ca.cnf", "-key", "key.pem", "-subj", "/CN=localhost", "-out", "request.pem")
    run("ca", "-batch", "-notext", "-config", "ca.cnf", "-selfsign", "-keyfile", "key.pem", "-in", "request.pem", "-out", "certificate.pem",
        "-startdate", day(first_day), "-enddate", day(last_day))
