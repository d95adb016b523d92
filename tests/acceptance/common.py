"""What the acceptance runs share: starting programs, asking the HTTP API, waiting for an event. Python 3.11 standard library only."""
import atexit, json, os, shutil, signal, socket, struct, subprocess, sys, tempfile, time, urllib.error, urllib.parse, urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get('DECKWATCH', os.path.join(ROOT, 'build/release/bin/deckwatch'))
_children = []


@atexit.register
def _end_children():
    for p in _children:
        if p.poll() is None:
            p.kill()
            p.wait()


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def start(args, log):
    p = subprocess.Popen(args, stdout=open(log, 'ab'), stderr=subprocess.STDOUT)
    _children.append(p)
    return p


def stop(p, sig=signal.SIGTERM):
    p.send_signal(sig)
    p.wait(30)


def get(url, timeout=5):
    with urllib.request.urlopen(url, timeout=timeout) as r:
        return r.read().decode()


def wait_for(what, condition, seconds):
    """Calls condition() until it is true; returns its value, or ends the program after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        try:
            if v := condition():
                return v
        except (OSError, urllib.error.URLError, ConnectionError):
            pass
        if time.monotonic() > end:
            sys.exit('FAILED: %s did not happen within %g s' % (what, seconds))
        time.sleep(0.02)


class Server:
    """One deckwatch (or any Prometheus-compatible server) on a folder of its own."""

    def __init__(self, config, folder=None, program=BIN, extra=()):
        self.dir = folder or tempfile.mkdtemp(prefix='deckwatch-accept-')
        self.port = free_port()
        self.url = 'http://127.0.0.1:%d' % self.port
        self.config = os.path.join(self.dir, 'prometheus.yml')
        with open(self.config, 'w') as f:
            f.write(config)
        self.args = [program, '--config.file=' + self.config, '--storage.tsdb.path=' + os.path.join(self.dir, 'data'),
                     '--web.listen-address=127.0.0.1:%d' % self.port, *extra]
        self.process = None

    def start(self, ready_seconds=30):
        """Returns the seconds from exec to ready."""
        t0 = time.monotonic()
        self.process = start(self.args, os.path.join(self.dir, 'log'))
        wait_for('ready', lambda: self._alive() and get(self.url + '/-/ready', 1) is not None, ready_seconds)
        return time.monotonic() - t0

    def _alive(self):
        if self.process.poll() is not None:
            sys.exit('FAILED: the server ended with %s; log:\n%s' % (self.process.returncode, open(os.path.join(self.dir, 'log')).read()[-2000:]))
        return True

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        stop(self.process)

    def api(self, path, **params):
        q = urllib.parse.urlencode(params, doseq=True)
        try:
            return json.loads(get(self.url + '/api/v1/' + path + ('?' + q if q else ''), 30))
        except urllib.error.HTTPError as e:
            return json.loads(e.read().decode())

    def query(self, expr, at=None):
        """{labels without __name__ as sorted tuple: value} of an instant vector, or {(): value} of a scalar."""
        r = self.api('query', query=expr, **({'time': at} if at else {}))
        if r['status'] != 'success':
            raise RuntimeError('%s: %s' % (expr, r.get('error')))
        d = r['data']
        if d['resultType'] == 'scalar':
            return {(): float(d['result'][1])}
        return {tuple(sorted(s['metric'].items())): float(s['value'][1]) for s in d['result']}

    def raw(self, selector, at):
        """Every stored sample: {labels: [(t, text)]} of a range selector."""
        r = self.api('query', query=selector, time=at)
        return {tuple(sorted(s['metric'].items())): [tuple(v) for v in s['values']] for s in r['data']['result']}

    def cleanup(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def rss_mb(pid):
    with open('/proc/%d/status' % pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith('VmRSS')) / 1024


def cpu_seconds(pid):
    with open('/proc/%d/stat' % pid) as f:
        fields = f.read().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


# ---- Remote write: protobuf and snappy by hand.

def varint(n):
    out = b''
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def series(labels, samples):
    out = b''.join(field(1, field(1, k.encode()) + field(2, v.encode())) for k, v in sorted(labels.items()))
    return field(1, out + b''.join(field(2, b'\x09' + struct.pack('<d', v) + b'\x10' + varint(t)) for t, v in samples))


def snappy(data):
    """Literals only."""
    out = varint(len(data))
    for i in range(0, len(data), 60000):
        piece = data[i:i + 60000]
        out += b'\xf4' + struct.pack('<H', len(piece) - 1) + piece
    return out


def remote_write(server, message, timeout=30):
    urllib.request.urlopen(urllib.request.Request(server.url + '/api/v1/write', snappy(message), {
        'Content-Type': 'application/x-protobuf', 'Content-Encoding': 'snappy', 'X-Prometheus-Remote-Write-Version': '0.1.0'}), timeout=timeout).read()
