#!/usr/bin/env python3
"""kill -9 while scraping, N times: every start is ready in under a second and no sample that a query had shown is missing.

The targets are small exporters of this program's own whose counters change at every scrape; the server scrapes them every
second together with its own metrics. Before each kill all stored samples are read through the API; after the restart each of them must
be there with the same value.
"""
import http.server, itertools, random, sys, threading, time
from common import Server, wait_for

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 20
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())
counter = itertools.count()


class Exporter(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        n = next(counter)
        body = ''.join('# TYPE m%d counter\nm%d{i="%d"} %d\n' % (k, k, k, n * (k + 1)) for k in range(200)).encode()
        self.send_response(200)
        self.send_header('Content-Type', 'text/plain; version=0.0.4')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def main():
    web = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Exporter)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    server = Server('''
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
- job_name: fake
  static_configs: [{targets: ['127.0.0.1:%d', 'localhost:%d']}]
''' % (web.server_port, web.server_port))
    rnd = random.Random(SEED)
    print('seed', SEED, flush=True)
    slowest, compared = 0, 0
    first = time.time()
    server.start()
    wait_for('first samples', lambda: server.raw('{job="fake"}[1m]', time.time()), 10)
    for i in range(ROUNDS):
        time.sleep(1.5 + rnd.random() * 2)
        at = time.time()
        before = server.raw('{job="fake"}[%ds]' % (at - first + 60), at)
        server.kill()
        ready = server.start()
        slowest = max(slowest, ready)
        after = server.raw('{job="fake"}[%ds]' % (at - first + 60), at)
        missing = sum(len(set(v) - set(after.get(k, ()))) for k, v in before.items())
        compared += sum(map(len, before.values()))
        if missing or not before:
            sys.exit('FAILED in round %d: %d of %d samples missing' % (i, missing, sum(map(len, before.values()))))
    print('%d kills: %d samples compared, 0 missing; slowest start %.3f s' % (ROUNDS, compared, slowest))
    if slowest >= 1:
        sys.exit('FAILED: a start took a second or more')
    server.kill()
    server.cleanup()


main()
