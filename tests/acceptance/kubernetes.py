#!/usr/bin/env python3
"""Plays back a recorded Kubernetes API server to a deckwatch configured as users configure it (roles pod and node, the
prometheus.io annotations, relabelling), and checks what /api/v1/targets and the stored samples say at each step.

usage: kubernetes.py [FOLDER]    FOLDER holds snapshot/{pods,nodes}.json, expected-labels.json and watch/ (default: tests/data/kubernetes)
Steps: a quiet cluster; a watch answered with 410; pods that come and go by watch events; a connection cut inside an event;
an HTTP 410; an API server that is away.
"""
import http.server, json, os, re, socket, struct, sys, threading, time, urllib.parse
from common import ROOT, Server, wait_for

DATA = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, 'tests/data/kubernetes')
TOKEN = 'played-back'
CONFIG = '''
global: {scrape_interval: 1s, scrape_timeout: 900ms}
scrape_configs:
- job_name: kubernetes-nodes
  kubernetes_sd_configs: [{role: node, api_server: 'http://API', authorization: {credentials: TOKEN}}]
  relabel_configs:
  - action: labelmap
    regex: __meta_kubernetes_node_label_(.+)
  - source_labels: [__address__]
    target_label: __param_target
  - target_label: __address__
    replacement: EXPORTER
- job_name: kubernetes-pods
  kubernetes_sd_configs: [{role: pod, api_server: 'http://API', authorization: {credentials: TOKEN}}]
  relabel_configs:
  - source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_scrape]
    action: keep
    regex: true
  - source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_path]
    action: replace
    target_label: __metrics_path__
    regex: (.+)
  - source_labels: [__address__, __meta_kubernetes_pod_annotation_prometheus_io_port]
    action: replace
    regex: ([^:]+)(?::\\d+)?;(\\d+)
    replacement: $1:$2
    target_label: __address__
  - action: labelmap
    regex: __meta_kubernetes_pod_label_(.+)
  - source_labels: [__meta_kubernetes_namespace]
    action: replace
    target_label: namespace
  - source_labels: [__meta_kubernetes_pod_name]
    action: replace
    target_label: pod
  # The recorded addresses are not here: the exporter of this script answers for all of them.
  - source_labels: [__address__]
    target_label: instance
  - source_labels: [__address__]
    target_label: __param_target
  - target_label: __address__
    replacement: EXPORTER
# Targets whose labels are equal after relabelling are one target: discovery's own labels are looked at in jobs that drop all.
- job_name: pod
  kubernetes_sd_configs: [{role: pod, api_server: 'http://API', authorization: {credentials: TOKEN}}]
  relabel_configs: [{action: drop, regex: .*}]
- job_name: pod-with-node
  kubernetes_sd_configs: [{role: pod, api_server: 'http://API', attach_metadata: {node: true}, authorization: {credentials: TOKEN}}]
  relabel_configs: [{action: drop, regex: .*}]
'''
JOBS = {'kubernetes-nodes': 'node', 'pod': 'pod', 'pod-with-node': 'pod-with-node'}


def load(name):
    with open(os.path.join(DATA, name)) as f:
        return json.load(f)


def expected_labels(job):
    """[{label: value}] that a real Prometheus discovered, from the compact file: targets are positions in `pairs`; what the
    scrape configuration adds to every target is not in it."""
    book = load('expected-labels.json')
    return [{'__metrics_path__': '/metrics', '__scheme__': 'http', **dict(book['pairs'][i] for i in target)} for target in book['jobs'][job]]


class Playback:
    """What the API server knows: the list of each resource, and a tape of watch lines by resource."""

    def __init__(self):
        self.changed = threading.Condition()
        self.lists = {r: load('snapshot/%s.json' % r) for r in ('pods', 'nodes')}
        self.tape = []      # of ('line', bytes) | ('cut', half of a line) | ('gone',): answers to watches of pods
        self.asked = []     # (resource, parameters) of every request, for the checks
        self.http_gone = set()
        self.away = False

    def add(self, *entries):
        with self.changed:
            self.tape += entries
            self.changed.notify_all()

    def watches(self, resource, version):
        with self.changed:
            return [p for r, p in self.asked if r == resource and p.get('resourceVersion') == version]


class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    playback = None

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        resource = url.path.rpartition('/')[2]
        parameters = dict(urllib.parse.parse_qsl(url.query))
        book = self.playback
        with book.changed:
            book.asked.append((resource, parameters))
            away = book.away
        if away:
            return self.cut()
        if self.headers.get('Authorization') != 'Bearer ' + TOKEN:
            return self.answer(401, {'kind': 'Status', 'message': 'Unauthorized', 'code': 401})
        if url.path not in ('/api/v1/pods', '/api/v1/nodes'):
            return self.answer(404, {'kind': 'Status', 'message': 'the server could not find the requested resource', 'code': 404})
        if 'watch' not in parameters:
            return self.answer(200, book.lists[resource])
        if (resource, parameters['resourceVersion']) in book.http_gone:
            return self.answer(410, {'kind': 'Status', 'message': 'too old resource version', 'reason': 'Expired', 'code': 410})
        self.watch(resource, int(parameters['resourceVersion']))

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def cut(self):
        """Ends the connection with a reset, as a proxy or a dying API server does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.connection.close()
        self.close_connection = True

    def chunk(self, data):
        self.wfile.write(b'%x\r\n%s\r\n' % (len(data), data))

    def watch(self, resource, version):
        """Every line of the tape that is newer than `version`, then waits for more, as an API server does."""
        book = self.playback
        self.send_response(200)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Transfer-Encoding', 'chunked')
        self.end_headers()
        at = 0
        while True:
            with book.changed:
                while not book.away and (resource != 'pods' or at >= len(book.tape)):
                    book.changed.wait()
                if book.away:
                    return self.cut()
                entry, at = book.tape[at], at + 1
            try:
                if entry[0] == 'gone' and entry[1] == version:
                    self.chunk(b'{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":'
                               b'"too old resource version: %d","reason":"Expired","code":410}}\n' % version)
                    self.chunk(b'')
                    return
                if entry[0] == 'cut' and entry[1] == version:
                    self.chunk(entry[2])
                    return self.cut()
                if entry[0] == 'line' and entry[1] > version:
                    self.chunk(entry[2])
                    version = entry[1]
            except OSError:
                return

    def log_message(self, *args):
        pass


class Exporter(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        target = dict(urllib.parse.parse_qsl(url.query)).get('target', '')
        body = ('# TYPE exporter_asked gauge\nexporter_asked{address="%s",path="%s"} 1\n' % (target, url.path)).encode()
        self.send_response(200)
        self.send_header('Content-Type', 'text/plain; version=0.0.4')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def serve(handler):
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return '127.0.0.1:%d' % server.server_port


def line(event):
    return ('line', int(event['object']['metadata']['resourceVersion']), json.dumps(event).encode() + b'\n')


def canonical(targets):
    return sorted(json.dumps(t, sort_keys=True) for t in targets)


def discovered(server, job):
    """Labels of the job's targets, kept or dropped, as discovery gave them (without those of the scrape configuration)."""
    data = server.api('targets')['data']
    out = []
    for t in data['activeTargets'] + data['droppedTargets']:
        labels = t['discoveredLabels']
        if labels['job'] == job:
            out.append({k: v for k, v in labels.items() if k not in ('job', '__scrape_interval__', '__scrape_timeout__')})
    return out


def annotated(pods):
    """{(namespace, pod): {(address, path)}} that the annotations ask for: one target per declared port, init containers too."""
    out = {}
    for pod in pods:
        meta, ip = pod['metadata'], pod['status'].get('podIP')
        notes = {k.partition('/')[2]: v for k, v in meta.get('annotations', {}).items() if k.startswith('prometheus.io/')}
        if notes.get('scrape') != 'true' or not ip:
            continue
        spec = pod['spec']
        for c in spec['containers'] + spec.get('initContainers', []):
            for port in c.get('ports') or [{}]:
                number = notes.get('port') or port.get('containerPort')
                address = '%s:%s' % (ip, number) if number else ip
                out.setdefault((meta['namespace'], meta['name']), set()).add((address, notes.get('path', '/metrics')))
    return out


def scraped(server):
    """The same from the stored samples; only targets that answered with up = 1."""
    out, up = {}, server.query('up{job="kubernetes-pods"} == 1')
    alive = {(dict(k)['namespace'], dict(k)['pod'], dict(k)['instance']) for k in up}
    for key in server.query('exporter_asked{job="kubernetes-pods"}'):
        k = dict(key)
        if (k['namespace'], k['pod'], k['instance']) in alive:
            out.setdefault((k['namespace'], k['pod']), set()).add((k['address'], k['path']))
    return out


def expect_scraped(server, step, pods, seconds=20):
    want = annotated(pods)
    state = {}

    def same():
        state['got'] = scraped(server)
        return state['got'] == want
    end = time.monotonic() + seconds
    while not same():
        if time.monotonic() > end:
            sys.exit('FAILED: %s: scraped %s\nexpected %s' % (step, state['got'], want))
        time.sleep(0.1)
    print('ok  %s: %d annotated pods scraped at their annotated address and path' % (step, len(want)), flush=True)


def main():
    book = Playback()
    Api.playback = book
    api, exporter = serve(Api), serve(Exporter)
    server = Server(CONFIG.replace('API', api).replace('EXPORTER', exporter).replace('TOKEN', TOKEN))
    server.start()

    # 1. A quiet cluster: the labels that a real Prometheus found, and the annotated pods scraped.
    for job, name in JOBS.items():
        want = canonical(expected_labels(name))
        wait_for('discovery of %s' % job, lambda: len(discovered(server, job)) == len(want), 20)
        got = canonical(discovered(server, job))
        if got != want:
            sys.exit('FAILED: labels of %s\n  %s\nexpected\n  %s' % (
                job, '\n  '.join(g for g in got if g not in want), '\n  '.join(w for w in want if w not in got)))
        print('ok  %s: %d targets with exactly the labels that Prometheus discovered' % (job, len(got)))
    expect_scraped(server, 'quiet cluster', book.lists['pods']['items'])
    wait_for('nodes', lambda: sum(server.query('up{job="kubernetes-nodes", kubernetes_io_os="linux"}').values()) == 3, 10)

    # 2. The watch answers 410 inside a 200: the pods are listed again, and the list is another one.
    quiet = int(book.lists['pods']['metadata']['resourceVersion'])
    book.lists['pods'] = load('watch/pods-list.json')
    pods = {(p['metadata']['namespace'], p['metadata']['name']): p for p in book.lists['pods']['items']}
    start = int(book.lists['pods']['metadata']['resourceVersion'])
    book.add(('gone', quiet))
    expect_scraped(server, '410 inside the watch', pods.values())

    # 3. Recorded events. Played up to the deletion of an annotated pod, which leaves the targets and goes stale at once.
    with open(os.path.join(DATA, 'watch/pods-events.jsonl')) as f:
        events = [json.loads(text) for text in f]
    until = max(i for i, e in enumerate(events) if e['type'] == 'DELETED' and
                e['object']['metadata'].get('annotations', {}).get('prometheus.io/scrape') == 'true')
    gone = (events[until]['object']['metadata']['namespace'], events[until]['object']['metadata']['name'])
    if gone not in annotated(pods.values()):
        sys.exit('FAILED: the recording deletes %s/%s, which was not scraped before' % gone)
    before = time.time()
    book.add(*map(line, events[:until + 1]))
    for e in events[:until + 1]:
        key = (e['object']['metadata'].get('namespace'), e['object']['metadata']['name'])
        pods.pop(key, None)
        if e['type'] != 'DELETED':
            pods[key] = e['object']
    selector = 'up{namespace="%s", pod="%s"}' % gone
    wait_for('%s/%s leaves the targets' % gone, lambda: not any(
        (t['labels'].get('namespace'), t['labels'].get('pod')) == gone for t in server.api('targets')['data']['activeTargets']), 10)
    wait_for('stale', lambda: not server.query(selector) and server.query('max_over_time(%s[1m])' % selector), 5)
    print('ok  %s/%s deleted by a watch event: no target, stale %.1f s after the event' % (*gone, time.time() - before))
    expect_scraped(server, 'after the deletion', pods.values())

    # 4. The connection breaks inside the next event; the watch goes on from the last version it saw.
    rest = events[until + 1:]
    last = int(events[until]['object']['metadata']['resourceVersion'])
    whole = line(rest[0])
    lists_before = sum(r == 'pods' and 'watch' not in p for r, p in book.asked)
    book.add(('cut', last, whole[2][:len(whole[2]) // 2]))
    wait_for('a watch from %d' % last, lambda: len(book.watches('pods', str(last))) >= 2, 10)
    with book.changed:  # from here on this version is answered with the rest of the recording
        book.tape = [t for t in book.tape if t[0] != 'cut']
    book.add(*map(line, rest))
    for e in rest:
        if e['type'] != 'BOOKMARK':
            pods[e['object']['metadata']['namespace'], e['object']['metadata']['name']] = e['object']
    expect_scraped(server, 'cut inside an event', pods.values())
    if sum(r == 'pods' and 'watch' not in p for r, p in book.asked) != lists_before:
        sys.exit('FAILED: the cut connection made deckwatch list all pods again')
    if not all(p.get('allowWatchBookmarks') == 'true' for r, p in book.asked if 'watch' in p):
        sys.exit('FAILED: a watch did not ask for bookmarks')

    # 5. The API server goes away: targets stay. It comes back having forgotten the version (HTTP 410): listed again.
    newest = rest[-1]['object']['metadata']['resourceVersion']
    book.http_gone |= {('pods', newest)}
    with book.changed:
        book.away = True
        book.changed.notify_all()
    time.sleep(4)
    expect_scraped(server, 'API server away for 4 s', pods.values(), 1)
    book.lists['pods'] = {'kind': 'PodList', 'apiVersion': 'v1', 'metadata': {'resourceVersion': str(quiet)}, 'items': load('snapshot/pods.json')['items']}
    with book.changed:
        book.tape, book.away = [], False
    expect_scraped(server, 'HTTP 410 after its return', book.lists['pods']['items'], 40)
    ups = server.query('count_over_time(up{job="kubernetes-nodes"}[1m]) - sum_over_time(up{job="kubernetes-nodes"}[1m])')
    if any(ups.values()):
        sys.exit('FAILED: scrapes of nodes failed meanwhile: %s' % ups)
    server.stop()
    server.cleanup()
    print('passed; list resourceVersions %d, %d; %d requests to the API server' % (quiet, start, len(book.asked)))


main()
