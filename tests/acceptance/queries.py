#!/usr/bin/env python3
"""Heavy queries on many active series, while the server scrapes and takes writes.

usage: queries.py [TARGETS [SERIES [SECONDS [CLIENTS]]]]     default: 100 targets of 10,000 series (1 M), 60 seconds of 64 clients
First the two queries of everything, one after another; then all clients at once, each asking one heavy query after another. All
the time every target is scraped each 15 seconds, one writer sends samples that must all be there at the end, and another client
asks for the server's health every 20 ms.
"""
import asyncio, multiprocessing, random, sys, threading, time, urllib.error, urllib.parse, urllib.request
from collections import Counter
from common import Server, cpu_seconds, free_port, get, remote_write, rss_mb, series, wait_for

TARGETS, SERIES, SECONDS, CLIENTS = [int(a) for a in sys.argv[1:]] + [100, 10_000, 60, 64][len(sys.argv) - 1:]
INTERVAL = 15
NAMES = 50  # metric names
EVERYTHING = ['count({__name__=~".+"})', 'sum by (__name__)(rate({__name__=~".+"}[5m]))', 'sum by (instance)(rate({__name__=~".+"}[5m]))']
HEAVY = EVERYTHING + [
    'sum by (route)(rate({__name__=~"m.*_total"}[5m]))', 'quantile(0.9, {job="many"})', 'topk(10, rate({__name__=~"m[0-4]_total"}[5m]))',
    'count by (instance)({job="many"} > 5)', 'stddev by (__name__)({__name__=~"m1.*"})', 'max_over_time(sum(rate(m7_total[1m]))[10m:15s])']
# What a query may answer besides its result. The labels clash as in Prometheus: rate() takes the names away, after all is summed.
REFUSALS = {(422, 'vector cannot contain metrics with the same labelset'),
            (422, 'query processing would load too many samples into memory in query execution'), (503, 'query timed out in expression evaluation'),
            (503, 'query timed out in query queue'), (422, 'query was given up: it is the largest of those running'), (422, 'query would use'),
            (503, 'too many requests')}


def serve(port):
    def page(version):
        return ''.join('# TYPE m%d_total counter\n' % name + ''.join(
            'm%d_total{route="/api/v1/item/%d"} %d\n' % (name, i, i * 7 + version * (i % 13)) for i in range(SERIES // NAMES)) for name in range(NAMES)).encode()

    pages = [page(v) for v in range(4)]

    class Exporter(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport, self.pending = transport, b''

        def data_received(self, data):
            self.pending += data
            while b'\r\n\r\n' in self.pending:
                self.pending = self.pending.partition(b'\r\n\r\n')[2]
                body = pages[int(time.time() / INTERVAL) % len(pages)]
                self.transport.write(b'HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: %d\r\n\r\n' % len(body) + body)

    async def run():
        await asyncio.get_running_loop().create_server(Exporter, '127.0.0.1', port, backlog=512)
        await asyncio.Event().wait()
    asyncio.run(run())


class Background(threading.Thread):
    """Calls f() until stopped."""

    def __init__(self, f):
        super().__init__(daemon=True)
        self.f, self.stopping = f, False
        self.start()

    def run(self):
        while not self.stopping:
            self.f()

    def stop(self):
        self.stopping = True
        self.join()


def ask(server, expr, timeout=150):
    """(HTTP code, what it says, seconds)."""
    began = time.monotonic()
    try:
        with urllib.request.urlopen(server.url + '/api/v1/query?' + urllib.parse.urlencode({'query': expr}), timeout=timeout) as r:
            body = r.read().decode()
            return r.status, body, time.monotonic() - began
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode(), time.monotonic() - began


def refused(code, body):
    return any(code == c and text in body for c, text in REFUSALS)


def probe(url, pipe):
    """In a process of its own, which does not wait for the other clients: seconds of each health check, None when it failed."""
    health = []
    while not pipe.poll():
        began = time.monotonic()
        try:
            get(url + '/-/healthy', 10)
            health.append(time.monotonic() - began)
        except OSError:
            health.append(None)
        time.sleep(0.02)
    pipe.send(health)


class Watch:
    """What must hold all the time: health, memory, writes."""

    def __init__(self, server):
        self.server, self.acked, self.peak = server, {}, 0
        self.pipe, other = multiprocessing.Pipe()
        multiprocessing.Process(target=probe, args=(server.url, other), daemon=True).start()
        self.parts = [Background(self.write), Background(self.memory)]

    def write(self):
        t = int(time.time() * 1000)
        remote_write(self.server, series({'__name__': 'written', 'job': 'writer'}, [(t, float(len(self.acked)))]))
        self.acked[t] = len(self.acked)
        time.sleep(0.1)

    def memory(self):
        self.peak = max(self.peak, rss_mb(self.server.process.pid))
        time.sleep(0.2)

    def stop(self):
        for p in self.parts:
            p.stop()
        self.pipe.send(None)
        health = self.pipe.recv()
        self.bad = health.count(None)
        self.health = sorted(h for h in health if h is not None)


def scraping(server, begin, end):
    """(targets, least scrapes of one, failed scrapes, longest interval)."""
    all_up = server.raw('up{job="many"}[%ds]' % (end - begin), end).values()
    gaps = [b[0] - a[0] for v in all_up for a, b in zip(v, v[1:])]
    return len(all_up), min(map(len, all_up)), sum(s[1] != '1' for v in all_up for s in v), max(gaps)


def crowd(server):
    answers, slowest, strange = Counter(), 0, []
    lock, end = threading.Lock(), time.monotonic() + SECONDS

    def client(i):
        nonlocal slowest
        choose = random.Random(i)
        while time.monotonic() < end:
            try:
                code, body, seconds = ask(server, choose.choice(HEAVY))
            except OSError as e:
                code, body, seconds = 0, repr(e), 0
            with lock:
                answers['answered' if code == 200 else 'refused' if refused(code, body) else 'wrong'] += 1
                slowest = max(slowest, seconds)
                if code != 200 and not refused(code, body):
                    strange.append((code, body[:200]))
    clients = [threading.Thread(target=client, args=(i,), daemon=True) for i in range(CLIENTS)]
    for c in clients:
        c.start()
    for c in clients:
        c.join()
    return answers, slowest, strange


def main():
    port = free_port()
    multiprocessing.Process(target=serve, args=(port,), daemon=True).start()
    wait_for('exporter', lambda: get('http://127.0.0.1:%d/' % port), 30)
    jobs = ''.join("  - {targets: ['127.0.0.1:%d'], labels: {instance: 'i%d'}}\n" % (port, i) for i in range(TARGETS))
    server = Server('global: {scrape_interval: %ds, scrape_timeout: 10s}\nscrape_configs:\n- job_name: many\n  static_configs:\n%s' % (INTERVAL, jobs),
                    extra=['--web.enable-remote-write-receiver'])
    server.start()
    wait_for('three scrapes of all targets', lambda: min([0, *server.query('count_over_time(up{job="many"}[5m])').values()][1:] or [0]) >= 3, 300)
    active = sum(server.query('sum(scrape_samples_scraped)').values())
    quiet = rss_mb(server.process.pid)
    print('%d series of %d targets, %.0f MB' % (active, TARGETS, quiet), flush=True)
    begin, watch, failed = time.time(), Watch(server), []
    for expr in EVERYTHING:
        for _ in range(3):
            code, body, seconds = ask(server, expr)
            print('%-52s %3d in %5.2f s  %s' % (expr, code, seconds, body[:110].replace('\n', ' ')), flush=True)
            if code != 200 and not refused(code, body):
                failed.append('%s: %d %s' % (expr, code, body[:200]))
    alone = watch.peak
    cpu = cpu_seconds(server.process.pid)
    answers, slowest, strange = crowd(server)
    cpu = cpu_seconds(server.process.pid) - cpu
    time.sleep(INTERVAL)
    watch.stop()
    end = time.time()
    targets, least, bad, longest = scraping(server, int(begin), int(end))
    there = {round(t * 1000): float(v) for samples in server.raw('written[%ds]' % (end - begin + 60), end).values() for t, v in samples}
    lost = sum(there.get(t) != v for t, v in watch.acked.items())
    health = watch.health
    p99 = health[int(len(health) * 0.99)] * 1000
    print('memory: %.0f MB before, at most %.0f MB with one query, %.0f MB with %d' % (quiet, alone, watch.peak, CLIENTS))
    print('%d clients for %d s: %s, slowest %.1f s, %.1f cores' % (CLIENTS, SECONDS, dict(answers), slowest, cpu / SECONDS))
    print('/-/healthy: %d times, median %.1f ms, p99 %.1f ms, longest %.1f ms, failed %d' % (len(health), health[len(health) // 2] * 1000, p99, health[-1] * 1000, watch.bad))
    print('%d targets scraped, the least %d times in %.0f s, failed %d, longest interval %.2f s' % (targets, least, end - begin, bad, longest))
    print('%d samples written and acknowledged, %d lost' % (len(watch.acked), lost))
    server.stop()
    if strange:
        failed.append('%d wrong answers, as %d %s' % (len(strange), *strange[0]))
    if targets != TARGETS or bad or longest > 1.5 * INTERVAL:
        failed.append('scrapes were missed')
    if lost or watch.bad or p99 > 50:
        failed.append('samples lost or health late')
    if failed:
        sys.exit('FAILED: ' + '; '.join(failed))
    server.cleanup()
    print('passed')


main()
