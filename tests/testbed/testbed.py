"""What the end-to-end, bad-input and bench scripts share: a test host, a k2d on it, and steps with a verdict each.

A script calls `on_host` first. That makes a network namespace with its own Docker (host.sh) and starts the script again
inside it, so that 127.0.0.1:6443, the firewall and the pods are the test host's own; when the script ends, all of it goes.
"""
import base64
import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OUTSIDE = "198.51.100.2"
HOST = "198.51.100.1"


class Ended(Exception):
    """The program under test ended when it should not have."""


class Failed(AssertionError):
    """A step's verdict: what was expected and what was seen."""


def check(truth, *seen):
    if not truth:
        raise Failed(" ".join(str(part) for part in seen))


def run(*command, timeout=120, ok=True, text=None):
    """Runs a command; gives its exit status and what it printed, both streams together."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, text=True, input=text,
                              stdin=subprocess.DEVNULL if text is None else None)
    except subprocess.TimeoutExpired as late:
        output = late.output.decode(errors="replace") if isinstance(late.output, bytes) else late.output or ""
        raise Failed(f"no end after {timeout} s: {' '.join(command)}\n{output}") from None
    if ok and done.returncode != 0:
        raise Failed(f"exit {done.returncode}: {' '.join(command)}\n{done.stdout}")
    return done.returncode, done.stdout


def until(seconds, ask, what):
    """Asks twenty times a second until the answer is true, and gives that answer; a failed ask counts as not yet."""
    end, last = time.monotonic() + seconds, None
    while True:
        try:
            answer = ask()
            if answer:
                return answer
            last = answer
        except (Failed, OSError, KeyError, IndexError, ValueError, http.client.HTTPException) as error:
            last = error
        if time.monotonic() > end:
            raise Failed(f"not within {seconds} s: {what}" + (f" (last: {last})" if last not in (None, False, [], "") else ""))
        time.sleep(0.05)


def on_host(name, engines=("docker",), images=True, keep=False):
    """Returns inside the test host; the outer process ends with the inner one's status. The first engine is the one that
    k2d runs on."""
    if os.environ.get("K2D_TEST_HOST") == name:
        return Host(name, engines[0])
    script = os.path.join(HERE, "host.sh")
    status = 1
    # A first Ctrl-C or SIGTERM ends the inner script; the host is removed either way.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        subprocess.run([script, name, "up", *engines], check=True, stdin=subprocess.DEVNULL)
        if images:
            subprocess.run([script, name, "images", engines[0]], check=True, stdin=subprocess.DEVNULL)
        inner = subprocess.Popen([script, name, "exec", sys.executable, *sys.argv], env={**os.environ, "K2D_TEST_HOST": name})
        try:
            status = inner.wait()
        except BaseException:
            inner.terminate()
            inner.wait(30)
            raise
    finally:
        if keep:
            print(f"kept: {script} {name} exec|outside|docker-restart|down", file=sys.stderr)
        else:
            subprocess.run([script, name, "down"], stdin=subprocess.DEVNULL)
    sys.exit(status)


def tools(release):
    """The folder with kubectl of a release (37 or 30) and helm; fetched when it is not there yet."""
    return run(os.path.join(HERE, "clients.sh"), release, timeout=600)[1].strip().splitlines()[-1]


class Host:
    """The test host this script runs on."""

    def __init__(self, name, engine="docker"):
        self.name, self.engine = name, engine
        self.socket = f"/run/k2d-test/{name}/{engine}.sock"
        self.data = f"/var/lib/k2d-test/{name}"

    def do(self, *words, **options):
        return run(os.path.join(HERE, "host.sh"), self.name, *words, **options)[1]

    def docker(self, *words, **options):
        """The docker command on the engine; Podman answers it as well."""
        return run("docker", "-H", f"unix://{self.socket}", *words, **options)[1].strip()

    def outside(self, *command, **options):
        return run("nsenter", f"--net=/run/netns/{self.name}-out", "--", *command, **options)

    def containers(self, *filters, every=False):
        """The engine's own view: container names and ids."""
        words = ["ps", "--no-trunc", "--format", "{{.Names}} {{.ID}}"] + (["-a"] if every else [])
        for one in filters:
            words += ["--filter", one]
        return dict(line.split() for line in self.docker(*words).splitlines())

    def inspect(self, container):
        return json.loads(self.docker("inspect", container))[0]


class K2d:
    """A k2d process, and kubectl that speaks to it."""

    def __init__(self, *flags, data, log, listen="127.0.0.1:6443", env=None, user=None):
        """`data` is its data folder, `log` the file for what it prints; variables of `env` are added to its environment.
        With a `user` (a number) root starts it as that one, from a copy of the program beside its data."""
        self.flags, self.data, self.log, self.listen, self.env = flags, data, log, listen, env or {}
        self.user = user if os.geteuid() == 0 else None
        self.port = int(listen.rsplit(":", 1)[1])
        self.kubeconfig = os.path.join(self.data, "admin.kubeconfig")
        self.tools = tools("37")
        self.process = None
        self.secrets = None

    @classmethod
    def on(cls, host, *flags, **options):
        """A k2d of the test host, on its Docker, reachable from the other machine."""
        return cls("--engine", f"unix://{host.socket}", *flags, data=os.path.join(host.data, "k2d"),
                   log=os.path.join("/run/k2d-test", host.name, "k2d.log"), listen="0.0.0.0:6443", **options)

    @staticmethod
    def binary():
        """The program under test: $K2D_BIN, or the newer of the two builds in target/."""
        if os.environ.get("K2D_BIN"):
            return os.environ["K2D_BIN"]
        built = [os.path.join(ROOT, "target", kind, "k2d") for kind in ("release", "debug")]
        built = [path for path in built if os.path.exists(path)]
        if not built:
            raise SystemExit("no k2d is built: run cargo build first, or set K2D_BIN")
        return max(built, key=os.path.getmtime)

    def start(self, wait=20):
        os.makedirs(self.data, mode=0o700, exist_ok=True)
        # To k2d a variable K2D_... is a key of its configuration; those of the tests are none.
        env = {name: value for name, value in os.environ.items() if not name.startswith("K2D_")}
        program, who = self.binary(), {}
        if self.user is not None:
            os.chown(self.data, self.user, self.user)
            who = {"user": self.user, "group": self.user, "extra_groups": []}
            program = shutil.copy(program, self.data + ".program")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [program, "serve", "--data-dir", self.data, "--listen", self.listen, *self.flags],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**env, **self.env}, **who)
        until(wait, self.ready, "k2d answers /readyz with ok")
        return self

    def ready(self):
        if self.process.poll() is not None:
            raise Ended(f"k2d ended with status {self.process.returncode}:\n{self.tail()}")
        return self.api("GET", "/readyz", raw=True)[1] == b"ok"

    def stop(self, how=signal.SIGTERM, wait=20):
        """Ends the process and gives its exit status (negative: the signal)."""
        if self.process is None or self.process.poll() is not None:
            return None
        self.process.send_signal(how)
        try:
            return self.process.wait(wait)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failed(f"k2d did not end within {wait} s of {how.name}") from None

    def tail(self, lines=25):
        try:
            with open(self.log, errors="replace") as log:
                return "".join(log.readlines()[-lines:])
        except OSError:
            return ""

    def kubectl(self, *words, ok=True, timeout=60, text=None):
        """What kubectl prints (both streams); with ok=False its exit status too."""
        status, output = run(os.path.join(self.tools, "kubectl"), "--kubeconfig", self.kubeconfig, *words, ok=ok, timeout=timeout, text=text)
        return output if ok else (status, output)

    def get(self, *words):
        return json.loads(self.kubectl("get", *words, "-o", "json"))

    def credentials(self):
        """The administrator's certificate as an ssl context, from the kubeconfig that k2d wrote."""
        if self.secrets is None:
            view = json.loads(self.kubectl("config", "view", "--raw", "-o", "json"))
            user, cluster = view["users"][0]["user"], view["clusters"][0]["cluster"]
            with tempfile.NamedTemporaryFile() as pair:
                pair.write(base64.b64decode(user["client-certificate-data"]) + b"\n" + base64.b64decode(user["client-key-data"]))
                pair.flush()
                context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
                context.load_cert_chain(pair.name)
            self.secrets = context
        return self.secrets

    def connect(self, timeout=10):
        if not os.path.exists(self.kubeconfig):
            raise Failed("no admin.kubeconfig yet")
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=self.credentials())

    def api(self, method, path, body=None, kind="application/json", raw=False, timeout=10):
        """One request with the administrator's credentials: status and body."""
        connection = self.connect(timeout)
        try:
            data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            connection.request(method, path, data, {"Content-Type": kind} if data is not None else {})
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, content if raw else json.loads(content)
        finally:
            connection.close()


class Steps:
    """Steps in their order; each prints PASS or FAIL with its time, and the last line counts them."""

    def __init__(self, on_failure=None):
        self.steps, self.passed, self.failed, self.skipped = [], 0, 0, 0
        self.on_failure = on_failure

    def __call__(self, name, vital=False):
        """Registers a step. When a vital one fails, those after it cannot mean anything and fail too."""
        def keep(function):
            self.steps.append((name, vital, function))
            return function
        return keep

    def names(self):
        return [name for name, _, _ in self.steps]

    def leave_out(self, names):
        """Steps that this run has nothing to do with."""
        unknown = set(names) - set(self.names())
        check(not unknown, "no such steps:", unknown)
        self.steps = [step for step in self.steps if step[0] not in names]

    def play(self, until_step=None, only=None):
        chosen = self.steps
        if until_step:
            last = [i for i, step in enumerate(chosen) if until_step in step[0]]
            if not last:
                raise SystemExit(f"no step {until_step!r}; there are: {', '.join(self.names())}")
            chosen = chosen[:last[0] + 1]
        if only:
            chosen = [step for step in chosen if step[1] or any(word in step[0] for word in only)]
        broken = None
        for name, vital, function in chosen:
            if broken:
                print(f"FAIL {name}: not tried, since {broken} failed", flush=True)
                self.failed += 1
                continue
            begin = time.monotonic()
            try:
                note = function()
                self.passed += 1
                print(f"PASS {name} ({time.monotonic() - begin:.1f} s{', ' + note if note else ''})", flush=True)
            except KeyboardInterrupt:
                raise
            except Exception as error:
                self.failed += 1
                reason = str(error) if isinstance(error, (Failed, Ended)) else traceback.format_exc()
                print(f"FAIL {name} ({time.monotonic() - begin:.1f} s): {reason}", flush=True)
                if self.on_failure:
                    self.on_failure(name)
                broken = name if vital else None
        return self.failed == 0

    def summary(self):
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed or not self.passed else 0


def keep_log(source, name):
    """Copies a log to where a person can read it after the test host is gone."""
    folder = os.path.join(ROOT, "target", "test-logs")
    os.makedirs(folder, exist_ok=True)
    if os.path.exists(source):
        shutil.copy(source, os.path.join(folder, name))
        return os.path.join(folder, name)
    return None
