#!/usr/bin/env python3
"""Sends what Grafana's Prometheus data source, promtool and dashboards send, to deckwatch and to a real Prometheus with the same
data, and compares the answers: status, content type and JSON, value by value.

usage: compat.py      $PROMETHEUS and $PROMTOOL name the peer's programs (default: on PATH; meant for Prometheus 3.5)
What cannot be the same (instants, durations, versions, ports) is compared by its type only (VOLATILE); what Prometheus added
after 3.5 may be in our answers (LATER).
"""
import http.server, json, math, os, re, subprocess, sys, threading, time, urllib.error, urllib.parse, urllib.request
from common import Server, get, remote_write, series, wait_for

PROMETHEUS, PROMTOOL = os.environ.get('PROMETHEUS', 'prometheus'), os.environ.get('PROMTOOL', 'promtool')
T0 = int(time.time()) // 60 * 60 - 3600  # the written data ends an hour ago: no scrape comes into it
STEP, COUNT = 15, 121
VOLATILE = {'lastEvaluation', 'evaluationTime', 'lastScrape', 'lastScrapeDuration', 'activeAt', 'version', 'revision', 'branch', 'buildUser',
            'buildDate', 'goVersion', 'startTime', 'CWD', 'hostname', 'serverTime', 'goroutineCount', 'GOMAXPROCS', 'GOMEMLIMIT', 'GOGC',
            'GODEBUG', 'lastConfigTime', 'corruptionCount', 'file', 'globalUrl', 'groupNextToken', 'storageRetention', 'reloadConfigSuccess'}
LATER = {'application', 'applicationVersion', 'anchored', 'smoothed'}
LATER_WARNING = 'sort is ineffective for range queries'
MULTIPART = {'Content-Type': 'multipart/form-data; boundary=compat'}
STATS = [
    'sum by (mode) (rate(node_cpu_seconds_total[1m]))', 'node_cpu_seconds_total offset 5m', 'node_memory_MemAvailable_bytes @ %d' % (T0 + 600),
    'sum(node_cpu_seconds_total) / sum(node_cpu_seconds_total)', 'topk(2, node_memory_MemAvailable_bytes)', 'rate(node_cpu_seconds_total[5m] @ end())',
    'sum_over_time(node_memory_MemAvailable_bytes[5m] @ %d) + node_memory_MemAvailable_bytes' % (T0 + 900), 'timestamp(odd)', 'absent(odd)',
    'predict_linear(node_memory_MemAvailable_bytes[5m] @ start(), 3600)', 'histogram_quantile(0.9, rate(http_request_duration_seconds_bucket[5m]))',
    'max_over_time(rate(node_cpu_seconds_total[2m])[10m:1m])', 'avg_over_time(sum_over_time(odd[1m:15s])[5m:1m])', 'odd and odd', 'odd unless nosuch',
    'scalar(odd) + node_memory_MemAvailable_bytes', 'count_values("v", odd)', 'odd + max_over_time(odd[1m:1m])', 'max_over_time(odd[5m:1m] offset 1m)',
    'max_over_time((odd @ %d)[5m:1m])' % T0, 'sum_over_time(node_memory_MemAvailable_bytes[5m:1m] @ %d)' % (T0 + 900), '1 + 1', 'vector(time())',
]


# ---- The same data for both, by remote write.

def samples(function):
    return [((T0 + i * STEP) * 1000, float(function(i))) for i in range(COUNT)]


def written_data():
    """In the order of labels: a Prometheus answers in the order in which series came."""
    out = b''
    for cpu in range(2):
        for host in range(3):
            for mode, rate in (('idle', 12.5), ('system', 0.3), ('user', 2.25)):
                out += series({'__name__': 'node_cpu_seconds_total', 'job': 'node', 'instance': 'h%d:9100' % host, 'cpu': str(cpu), 'mode': mode},
                              samples(lambda i: i * rate * (host + 1) if i < 60 or host else (i - 60) * rate))
    for host in range(3):
        out += series({'__name__': 'node_memory_MemAvailable_bytes', 'job': 'node', 'instance': 'h%d:9100' % host},
                      samples(lambda i: 4e9 + 1e9 * math.sin(i / 9 + host)))
        for le, share in (('+Inf', 1), ('0.1', 0.5), ('0.5', 0.9)):
            out += series({'__name__': 'http_request_duration_seconds_bucket', 'job': 'web', 'instance': 'h%d:80' % host, 'le': le},
                          samples(lambda i: int(i * 20 * share)))
    out += series({'__name__': 'odd', 'job': 'odd', 'text': 'quotes " back \\ slash, newline \n, ünï 中'},
                  samples(lambda i: (float('nan'), float('inf'), -float('inf'), 1e-9, 1e21, 0.1, -0.0, 123456789.125)[i % 8]))
    return out


# ---- One exporter for both, and its page.

PAGE = '''# HELP app_requests_total Requests, with "quotes" and \\\\ in the help.
# TYPE app_requests_total counter
app_requests_total{code="200"} 5
app_requests_total{code="500"} 0
# HELP app_temperature_celsius A gauge.
# TYPE app_temperature_celsius gauge
app_temperature_celsius 21.5
# TYPE app_latency_seconds histogram
app_latency_seconds_bucket{le="1"} 3
app_latency_seconds_bucket{le="+Inf"} 4
app_latency_seconds_sum 3.5
app_latency_seconds_count 4
app_untyped 1
'''
RULES = '''groups:
- name: recorded
  interval: 1s
  rules:
  - record: job:app_requests:sum
    expr: sum by (job) (app_requests_total)
    labels: {kind: sum}
- name: alerts
  interval: 1s
  rules:
  - alert: AppWarm
    expr: app_temperature_celsius > 20
    labels: {severity: warning}
    annotations: {summary: '{{ $labels.instance }} is at {{ $value | humanize }} °C'}
  - alert: AppHot
    expr: app_temperature_celsius > 20
    for: 1h
    keep_firing_for: 5m
  - alert: Quiet
    expr: app_temperature_celsius > 100
'''


class Exporter(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Type', 'text/plain; version=0.0.4; charset=utf-8')
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, *args):
        pass


# ---- Asking and comparing

def ask(server, method, path, parameters, headers):
    encoded = urllib.parse.urlencode(parameters, doseq=True)
    if headers is MULTIPART:
        encoded = ''.join('--compat\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % p for p in parameters.items()) + '--compat--\r\n'
    url = server.url + path + ('?' + encoded if encoded and method == 'GET' else '')
    body = encoded.encode() if method == 'POST' else None
    request = urllib.request.Request(url, body, {'User-Agent': 'Grafana/11.0.0', **headers}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as r:
            return r.status, r.headers, r.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.headers, e.read().decode()


def plain(value, server, key=''):
    """`value` with what is this server's own replaced."""
    if key in VOLATILE:
        return type(value).__name__
    if key == 'stats':  # of these only the samples looked at are the same
        return {k: v for k, v in value['samples'].items() if k.startswith('totalQueryable')}
    if isinstance(value, dict):
        out = {k: plain(v, server, k) for k, v in value.items() if k not in LATER}
        if 'warnings' in out and all(w.startswith('PromQL warning: ' + LATER_WARNING) or w.startswith(LATER_WARNING) for w in out['warnings']):
            del out['warnings']
        return out
    if isinstance(value, list):
        return [plain(v, server) for v in value]
    return value.replace(server.dir, 'DIR').replace(':%d' % server.port, ':PORT') if isinstance(value, str) else value


def ordered(answer, path, parameters):
    """`answer` in one order where a Prometheus has none: what an aggregation gives, and metadata, come out of hash maps."""
    data = answer.get('data')
    if path.endswith('/targets/metadata') and isinstance(data, list):
        data.sort(key=json.dumps)
    if path.endswith('/query') and isinstance(data, dict) and data['resultType'] == 'vector' and not parameters.get('query', '').startswith('sort'):
        data['result'].sort(key=lambda s: json.dumps(s['metric']))
    return answer


def differences(a, b, where=''):
    if isinstance(a, dict) and isinstance(b, dict):
        out = ['%s.%s only in %s' % (where, k, 'ours' if k in a else 'peer') for k in a.keys() ^ b.keys()]
        return out + [d for k in a.keys() & b.keys() for d in differences(a[k], b[k], where + '.' + k)]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [d for i, (x, y) in enumerate(zip(a, b)) for d in differences(x, y, '%s[%d]' % (where, i))]
    if a == b or close(a, b):
        return []
    return ['%s: ours %s, peer %s' % (where, json.dumps(a)[:300], json.dumps(b)[:300])]


def close(a, b):
    """Sums may differ in the last digits."""
    number = re.compile(r'-?[0-9.]+(e[+-]?[0-9]+)?$')
    return (isinstance(a, str) and isinstance(b, str) and number.match(a) and number.match(b) and
            math.isclose(float(a), float(b), rel_tol=1e-12))


END = T0 + (COUNT - 1) * STEP
RANGE = {'start': '%d' % T0, 'end': '%d' % END}
NOW = {'start': '%.3f' % (time.time() - 300), 'end': '%.3f' % (time.time() + 300)}
LEGEND = [
    'sum by (mode) (rate(node_cpu_seconds_total{job="node"}[1m0s]))',
    '100 - avg by (instance) (irate(node_cpu_seconds_total{mode="idle"}[5m])) * 100',
    'histogram_quantile(0.95, sum(rate(http_request_duration_seconds_bucket[5m])) by (le, instance))',
    'topk(2, node_memory_MemAvailable_bytes)', 'node_memory_MemAvailable_bytes offset 5m', 'odd', 'count_values("v", odd)', 'absent(nosuch{a="b"})',
    'max_over_time(deriv(node_memory_MemAvailable_bytes[2m])[10m:1m])', 'label_replace(odd, "x", "$1", "job", "(.).*")', 'time()', '"text"', '1/0', 'vector(-1)',
    'node_cpu_seconds_total[1m]', 'sum(', 'rate(odd)', 'nosuch', 'odd * on (job) group_left node_memory_MemAvailable_bytes', '{__name__=~".*"} / 0 and on () vector(1)',
    'quantile_over_time(0.9, odd[2m])', 'sort_desc(node_memory_MemAvailable_bytes)', 'predict_linear(node_memory_MemAvailable_bytes[5m], 3600)', '{}', 'foo{', '1 +',
]


def requests():
    """(method, path, parameters, headers) in the order in which a user meets them: save & test, the query editor, panels, alerting."""
    api = '/api/v1/'
    yield 'POST', api + 'query', {'query': '1+1', 'time': '%.3f' % END}, {}
    yield 'GET', api + 'status/buildinfo', {}, {}
    yield 'GET', api + 'labels', {}, {}
    for method in ('GET', 'POST'):
        yield method, api + 'labels', RANGE, {}
        yield method, api + 'labels', {**RANGE, 'match[]': ['node_cpu_seconds_total{job="node"}', 'odd']}, {}
        yield method, api + 'labels', {**RANGE, 'match[]': '{job="web"', 'limit': 2}, {}
        yield method, api + 'labels', {**RANGE, 'limit': 2}, {}
        yield method, api + 'series', {**RANGE, 'match[]': ['odd', '{__name__=~"node_memory.+"}']}, {}
        yield method, api + 'series', {**RANGE, 'match[]': 'node_cpu_seconds_total', 'limit': 3}, {}
        yield method, api + 'series', {}, {}
        yield method, api + 'query_exemplars', {**RANGE, 'query': 'rate(http_request_duration_seconds_bucket[5m])'}, {}
        for expr in LEGEND:
            yield method, api + 'query', {'query': expr, 'time': '%.3f' % (END - 7)}, {}
            yield method, api + 'query_range', {'query': expr, 'start': '%.3f' % (T0 + 300), 'end': '%.3f' % END, 'step': '15'}, {}
    for name in ('__name__', 'mode', 'instance', 'text', 'nosuch', 'bad-name'):
        yield 'GET', api + 'label/%s/values' % name, RANGE, {}
        yield 'GET', api + 'label/%s/values' % name, {**RANGE, 'match[]': 'node_cpu_seconds_total{cpu="1"}', 'limit': '40000'}, {}
    yield 'GET', api + 'label/mode/values', {'match[]': 'nosuch', **RANGE}, {}
    yield 'GET', api + 'label/job/values', {'start': 'x'}, {}
    for path in ('labels', 'series', 'label/job/values', 'rules', 'query_exemplars'):
        for selector in ('{job="web"', '{}', '{job=""}', 'a{b=~"["}'):
            yield 'GET', api + path, {**RANGE, 'match[]': ['odd', selector], 'query': selector}, {}
    yield 'GET', api + 'label/__name__/values', {**NOW, 'match[]': '{job="app"}'}, {}
    yield 'GET', api + 'metadata', {}, {}
    yield 'GET', api + 'metadata', {'metric': 'app_requests_total'}, {}
    yield 'GET', api + 'metadata', {'limit': '0'}, {}
    yield 'GET', api + 'metadata', {'metric': 'nosuch'}, {}
    for step in ('0', '-1', 'x', '1m', '0.5', '14.999'):
        yield 'POST', api + 'query_range', {'query': 'odd', **RANGE, 'step': step}, {}
    yield 'POST', api + 'query_range', {'query': 'odd', 'start': END, 'end': T0, 'step': 15}, {}
    yield 'POST', api + 'query_range', {'query': 'odd', 'start': T0, 'step': 15}, {}
    yield 'POST', api + 'query', {'query': 'odd', 'time': time.strftime('%Y-%m-%dT%H:%M:%S.5Z', time.gmtime(END)), 'timeout': '5s'}, {}
    yield 'POST', api + 'query', {'query': 'odd', 'time': END, 'timeout': 'x'}, {}
    yield 'POST', api + 'query', {'query': 'odd', 'time': END, 'limit': '1', 'lookback_delta': '1s'}, {}
    yield 'POST', api + 'query', {'query': 'node_cpu_seconds_total', 'time': END, 'limit': '4'}, {}
    yield 'POST', api + 'query', {'time': END}, {}
    yield 'POST', api + 'query?query=2%2B2&time=' + str(END), {}, {}
    for kind in ({}, {'type': 'alert'}, {'type': 'record'}, {'type': 'x'}, {'rule_name[]': 'AppHot'}, {'rule_group[]': 'recorded'}, {'exclude_alerts': 'true'},
                 {'group_limit': '1'}, {'match[]': '{severity="warning"}'}):
        yield 'GET', api + 'rules', kind, {}
    for limit in ('0', '-1', 'x', '1e3', '0x1', '1.0', '99999999999999999999'):
        yield 'GET', api + 'labels', {**RANGE, 'limit': limit}, {}
        yield 'GET', api + 'query', {'query': 'odd', 'time': END, 'limit': limit}, {}
        yield 'GET', api + 'rules', {'group_limit': limit}, {}
        if limit not in ('0', '-1'):
            yield 'GET', api + 'metadata', {'limit': limit}, {}
            yield 'GET', api + 'metadata', {'limit_per_metric': limit}, {}
            yield 'GET', api + 'targets/metadata', {'limit': limit}, {}
    yield 'GET', api + 'metadata', {'metric': 'app_untyped', 'limit': '-1'}, {}
    yield 'GET', api + 'metadata', {'metric': 'app_untyped', 'limit_per_metric': '1'}, {}
    for limit in ('0', '-1', 'x'):
        yield 'GET', api + 'status/tsdb', {'limit': limit}, {}
    for value in ('1', 'T', 'False', '0', 'x'):
        yield 'GET', api + 'rules', {'exclude_alerts': value}, {}
    yield 'GET', api + 'rules', {'group_next_token': 'nosuch'}, {}
    yield 'GET', api + 'rules', {'group_next_token': 'nosuch', 'group_limit': '1'}, {}
    yield 'GET', api + 'query', {'query': 'odd', 'time': END, 'lookback_delta': '1x'}, {}
    yield 'GET', api + 'alerts', {}, {}
    yield 'GET', api + 'alertmanagers', {}, {}
    for state in ('', 'active', 'dropped', 'any'):
        yield 'GET', api + 'targets', {'state': state} if state else {}, {}
    yield 'GET', api + 'targets', {'scrapePool': 'nosuch'}, {}
    yield 'GET', api + 'scrape_pools', {}, {}
    yield 'GET', api + 'targets/metadata', {'match_target': '{job="app"}'}, {}
    yield 'GET', api + 'targets/metadata', {'metric': 'app_untyped'}, {}
    yield 'GET', api + 'format_query', {'query': 'sum(rate(a[5m]))by(x)'}, {}
    yield 'GET', api + 'parse_query', {'query': 'sum by (x) (rate(a{b!="c"}[5m] offset 1m)) > bool 2'}, {}
    yield 'GET', api + 'status/runtimeinfo', {}, {}
    yield 'GET', api + 'nosuch', {}, {}
    yield 'GET', '/-/healthy', {}, {}
    yield 'GET', '/-/ready', {}, {}
    for selector in ('app_requests_total', '{zone="a",__name__=~"app_.+"}', 'nosuch', '{', 'up offset 5m'):
        yield 'GET', '/federate', {'match[]': selector}, {'Accept': 'text/plain'}
    yield 'GET', '/federate', {}, {'Accept': 'text/plain'}
    yield 'OPTIONS', api + 'query', {}, {'Origin': 'http://grafana'}
    yield 'GET', api + 'query', {'query': '1', 'time': END}, {'Origin': 'http://grafana'}
    yield 'DELETE', api + 'query', {}, {}
    yield 'PUT', api + 'query_range', {}, {}
    yield 'POST', api + 'query?query=1&time=1', {'query': '2', 'time': '2'}, {}  # the form's count
    yield 'POST', api + 'query?query=1&time=1', {'query': '2', 'time': '2'}, MULTIPART  # the URL's count
    yield 'POST', api + 'query', {'query': '2', 'time': '2'}, MULTIPART
    yield 'POST', api + 'labels', {**RANGE, 'match[]': 'odd'}, MULTIPART
    for expr in STATS:
        yield 'GET', api + 'query', {'query': expr, 'time': END - 7, 'stats': 'all', 'nocache': 1}, {}
        for start, step in ((T0 + 300, 15), (T0 + 301, 60), (T0 + 600, 7)):
            yield 'GET', api + 'query_range', {'query': expr, 'start': start, 'end': END, 'step': step, 'stats': 'all', 'nocache': 1}, {}
    for expr in ('odd[2m]', 'odd[2m:30s]', 'rate(node_cpu_seconds_total[1m])[5m:1m]'):
        yield 'GET', api + 'query', {'query': expr, 'time': END, 'stats': 'all', 'nocache': 1}, {}
    for expr in ('1', 'vector(1)', 'time()', '"text"'):
        yield 'GET', api + 'query_exemplars', {**RANGE, 'query': expr}, {}
    for regex in ('\\xff', 'a|b\\xff', '[\\xff]'):
        yield 'GET', api + 'query', {'query': 'up{a=~"%s"}' % regex, 'time': END}, {}
        yield 'GET', api + 'series', {**RANGE, 'match[]': 'up{a=~"%s"}' % regex}, {}
    for method in ('HEAD', 'OPTIONS', 'DELETE', 'PATCH'):
        for path in ('query', 'query_range', 'labels', 'label/job/values', 'targets', 'rules', 'status/config', 'write', 'nosuch'):
            yield method, api + path, {}, {'Origin': 'http://grafana'}
        for path in ('/federate', '/metrics', '/version', '/', '/nosuch'):
            yield method, path, {}, {}
    yield 'HEAD', '/-/healthy', {}, {}
    yield 'HEAD', '/-/ready', {}, {}
    yield 'GET', api + 'notifications', {}, {}


def compare(ours, peer):
    bad = count = 0
    for method, path, parameters, headers in requests():
        count += 1
        a, b = ask(ours, method, path, parameters, headers), ask(peer, method, path, parameters, headers)
        off = []
        if a[0] != b[0]:
            off.append('status: ours %d, peer %d' % (a[0], b[0]))
        if a[1].get('Allow') != b[1].get('Allow'):
            off.append('Allow: ours %s, peer %s' % (a[1].get('Allow'), b[1].get('Allow')))
        if method not in ('HEAD', 'OPTIONS') and a[1].get('Content-Type', '') != b[1].get('Content-Type', '').partition('; escaping=')[0]:
            off.append('Content-Type: ours %s, peer %s' % (a[1].get('Content-Type'), b[1].get('Content-Type')))
        if b[1].get('Access-Control-Allow-Origin') and a[1].get('Access-Control-Allow-Origin') not in ('*', headers['Origin']):
            off.append('no Access-Control-Allow-Origin')
        try:
            off += differences(*(ordered(plain(json.loads(x[2]), server), path, parameters) for x, server in ((a, ours), (b, peer))))
        except ValueError:
            if path == '/federate':
                a, b = ([re.sub(r' \d{13}$', '', line) for line in x[2].splitlines()] for x in (a, b))
                off += differences(a, b)
            elif not path.startswith('/-/') and a[2] != b[2]:
                off.append('ours %r, peer %r' % (a[2][:200], b[2][:200]))
        if off:
            bad += 1
            print('BAD %s %s %s' % (method, path, parameters))
            for d in off[:5]:
                print('      ' + d)
    print('%d requests, %d answers differ' % (count, bad), flush=True)
    return bad


def promtool(server, *args):
    done = subprocess.run([PROMTOOL, *(server.url if a == 'URL' else a for a in args)], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr.replace(':%d' % server.port, ':PORT')


def compare_promtool(ours, peer):
    rfc = lambda t: time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(t))
    start, end, bad = ['--start=' + rfc(T0)], ['--end=' + rfc(END)], 0
    for args in (['instant', '--time=' + rfc(END), 'URL', 'sum by (mode) (node_cpu_seconds_total)'], ['instant', '--time=' + rfc(END), 'URL', 'odd'],
                 ['instant', '--time=' + rfc(END), 'URL', 'sum('], ['range', *start, *end, '--step=60s', 'URL', 'node_memory_MemAvailable_bytes'],
                 ['series', *start, *end, '--match=odd', '--match=node_memory_MemAvailable_bytes', 'URL'], ['labels', *start, *end, 'URL', 'mode'],
                 ['labels', *start, *end, '--match=odd', 'URL', 'job'], ['instant', '--format=json', '--time=' + rfc(END), 'URL', 'odd']):
        a, b = promtool(ours, 'query', *args), promtool(peer, 'query', *args)
        if a[0] != b[0] or a[2] != b[2] or sorted(a[1].splitlines()) != sorted(b[1].splitlines()) or (a[0] == 0 and not a[1]):
            bad += 1
            print('BAD promtool query %s\n  ours %s\n  peer %s' % (args, a, b))
    for command in ('healthy', 'ready'):
        code, _, error = promtool(ours, 'check', command, '--url=' + ours.url)
        if code and 'expected command' not in error:  # promtool of Debian 12 has not learnt it yet
            bad += 1
            print('BAD promtool check %s: %s' % (command, error))
    lint = subprocess.run([PROMTOOL, 'check', 'metrics'], input=get(ours.url + '/metrics'), capture_output=True, text=True)
    if lint.returncode or lint.stderr or lint.stdout:
        bad += 1
        print('BAD promtool check metrics: %s%s' % (lint.stdout, lint.stderr))
    print('promtool query instant, range, series, labels; check healthy, ready, metrics: %d differ' % bad)
    return bad


def main():
    exporter = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Exporter)
    threading.Thread(target=exporter.serve_forever, daemon=True).start()
    config = '''
global: {scrape_interval: 1s, evaluation_interval: 1s, external_labels: {site: lab}}
rule_files: [rules.yml]
scrape_configs:
- job_name: app
  static_configs: [{targets: ['127.0.0.1:%d'], labels: {zone: a}}, {targets: ['127.0.0.1:1'], labels: {zone: dropped}}]
  relabel_configs: [{source_labels: [zone], regex: dropped, action: drop}]
''' % exporter.server_port
    extra = ['--web.enable-remote-write-receiver', '--enable-feature=promql-per-step-stats']
    ours = Server(config, extra=extra)
    peer = Server(config + 'storage: {tsdb: {out_of_order_time_window: 1d}}\n', program=PROMETHEUS, extra=extra)
    for server in (ours, peer):
        with open(os.path.join(server.dir, 'rules.yml'), 'w') as f:
            f.write(RULES)
        server.start()
        remote_write(server, written_data())
    for server in (ours, peer):
        wait_for('rules', lambda: server.query('ALERTS{alertstate="firing"}') and server.query('ALERTS{alertstate="pending"}') and
                 server.query('job:app_requests:sum'), 15)
    bad = compare(ours, peer) + compare_promtool(ours, peer)
    ours.stop()
    peer.stop()
    if bad:
        sys.exit('FAILED: %d answers differ' % bad)
    ours.cleanup()
    peer.cleanup()
    print('passed')


main()
