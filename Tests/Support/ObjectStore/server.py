"""OpenStack Swift with its S3 API, whole in one process on loopback: a store of objects that verifies signatures, digests and times.

    python server.py FOLDER [PORT [BUCKET]]

It keeps everything below FOLDER, whose file system has to have extended attributes, and finds there what it kept before. It listens at PORT, or where
0 or nothing is given wherever it can, makes BUCKET where that is not there, writes one line with its address, and ends with the process that started
it.
"""
import base64
import errno
import hashlib
import hmac
import http.client
import logging
import os
import sys
import warnings
from email.utils import formatdate

warnings.simplefilter("ignore")  # eventlet says that it is deprecated

import eventlet

eventlet.monkey_patch()

import xattr
from eventlet import listen, wsgi
from swift.common import storage_policy, utils
from swift.common.ring import RingBuilder
from swift.common.wsgi import SwiftHttpProtocol, loadapp

PARTS = ("account", "container", "object")
COMMON = """[DEFAULT]
swift_dir = {root}
devices = {root}/devices
mount_check = false
disable_fallocate = true
log_level = CRITICAL
"""
PART = "[pipeline:main]\npipeline = s\n[app:s]\nuse = egg:swift#{name}\n"
# The last of the users may sign in and nothing else. Caching is off: nothing listens at port 1. A part that answers late on a busy machine is waited for,
# and is not taken for broken, for there is no other.
PROXY = """[pipeline:main]
pipeline = catch_errors cache listing_formats s3api tempauth copy proxy-server
[app:proxy-server]
use = egg:swift#proxy
conn_timeout = 20
node_timeout = 60
error_suppression_limit = 1000000
account_autocreate = true
allow_account_management = true
[filter:copy]
use = egg:swift#copy
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
storage_domain = localhost
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
user_test_stranger = strange
"""


def require_attributes(folder):
    """Ends where files cannot have extended attributes, in which Swift keeps what it knows of objects."""
    path = os.path.join(folder, "attributes")
    with open(path, "w") as file:
        try:
            xattr.setxattr(file.fileno(), "user.swift.metadata", b"x" * 1024)
        except OSError as error:
            sys.exit("%s has no extended attributes: %s" % (folder, errno.errorcode.get(error.errno, error)))
    os.remove(path)


def configure(root):
    """Writes what Swift wants to know of itself."""
    with open(root + "/swift.conf", "w") as file:
        file.write("[swift-hash]\nswift_hash_path_suffix = test\n[storage-policy:0]\nname = one\ndefault = yes\n")
    for module in [module for name, module in sys.modules.items() if name.startswith("swift")]:
        if hasattr(module, "SWIFT_CONF_FILE"):
            module.SWIFT_CONF_FILE = root + "/swift.conf"
    utils.validate_configuration()
    storage_policy.reload_storage_policies()


def write(root, name, text):
    path = "%s/%s.conf" % (root, name)
    with open(path, "w") as file:
        file.write(COMMON.format(root=root) + text)
    return path


def end_with(parent):
    while os.getppid() == parent:
        eventlet.sleep(0.5)
    os._exit(0)


def make_bucket(port, name):
    """Makes a bucket for the user who may do everything, by the old signature of S3, which takes few lines. Tokens would take a cache."""
    for _ in range(100):
        date = formatdate(usegmt=True)
        signature = hmac.new(b"testing", ("PUT\n\n\n%s\n/%s" % (date, name)).encode(), hashlib.sha1).digest()
        connection = http.client.HTTPConnection("127.0.0.1", port)
        headers = {"Date": date, "Authorization": "AWS test:tester:" + base64.b64encode(signature).decode()}
        connection.request("PUT", "/" + name, headers=headers)
        status = connection.getresponse().status
        # 409: it is there already.
        if status in (200, 409):
            return
        # A part of it has yet to listen.
        eventlet.sleep(0.2)
    sys.exit("the bucket %s could not be made: %s" % (name, status))


def main():
    parent = os.getppid()
    root = os.path.abspath(sys.argv[1])
    os.makedirs(root + "/devices/d1", exist_ok=True)
    require_attributes(root)
    configure(root)
    silent = logging.getLogger("silent")
    silent.addHandler(logging.NullHandler())
    silent.propagate = False
    sockets = {name: listen(("127.0.0.1", 0)) for name in PARTS}
    for name, socket in sockets.items():
        port = socket.getsockname()[1]
        builder = RingBuilder(1, 1, 0)
        builder.add_dev({"id": 0, "region": 1, "zone": 1, "ip": "127.0.0.1", "port": port, "device": "d1", "weight": 1.0,
                         "replication_ip": "127.0.0.1", "replication_port": port, "meta": ""})
        builder.rebalance()
        builder.get_ring().save("%s/%s.ring.gz" % (root, name))
    for name, socket in sockets.items():
        eventlet.spawn(wsgi.server, socket, loadapp(write(root, name, PART.format(name=name))), silent)
    front = listen(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 0))
    proxy = loadapp(write(root, "proxy", PROXY))
    eventlet.spawn(end_with, parent)
    serving = eventlet.spawn(wsgi.server, front, proxy, silent, protocol=SwiftHttpProtocol)
    port = front.getsockname()[1]
    for name in sys.argv[3:]:
        make_bucket(port, name)
    print("listening on http://127.0.0.1:%d" % port, file=sys.stderr, flush=True)
    serving.wait()


main()
