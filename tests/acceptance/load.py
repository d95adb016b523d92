#!/usr/bin/env python3
"""Many targets at a short interval: no scrape missed or late, memory flat, and what it costs.

usage: load.py [TARGETS [SECONDS [SERIES]]]      default: 300 targets of 100 series, scraped every second for 180 seconds
Targets are paths on a few ports of one small exporter in a process of its own, so that its CPU time is not counted. The samples
of the open window are kept in memory, compressed, until they become a part on disk: memory is looked at without them.
"""
import asyncio, multiprocessing, sys, time
from common import Server, cpu_seconds, free_port, get, rss_mb, wait_for

TARGETS, SECONDS, SERIES = [int(a) for a in sys.argv[1:]] + [300, 180, 100][len(sys.argv) - 1:]
PORTS, WARM = 4, 15  # the first scrapes create series and are not counted
WRITE_BUFFER_MB = 16  # of the log of the open window: fills and is flushed, again and again


class Exporter(asyncio.Protocol):
    names = ['shop_requests_total{route="/api/v1/item/%d",code="200"} ' % i for i in range(SERIES)]

    def connection_made(self, transport):
        self.transport, self.pending = transport, b''

    def data_received(self, data):
        self.pending += data
        while b'\r\n\r\n' in self.pending:
            self.pending = self.pending.partition(b'\r\n\r\n')[2]
            now = int(time.time() * 10)
            page = '# TYPE shop_requests_total counter\n' + ''.join('%s%d\n' % (n, now + i * 7) for i, n in enumerate(self.names))
            self.transport.write(b'HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: %d\r\n\r\n%s' % (len(page), page.encode()))


def serve(ports):
    async def run():
        loop = asyncio.get_running_loop()
        for port in ports:
            await loop.create_server(Exporter, '127.0.0.1', port, backlog=512)
        await asyncio.Event().wait()
    asyncio.run(run())


def head_mb(server):
    """Compressed samples of the open window; 0 for a server that does not tell."""
    return sum(float(line.split()[1]) for line in get(server.url + '/metrics').splitlines() if line.startswith('deckwatch_tsdb_head_bytes ')) / (1 << 20)


def gaps(server, begin, end):
    """(scrapes seen, failed, longest time between two scrapes of one target) between two instants."""
    scrapes = {}  # target: {instant: up}
    for at in range(begin + 60, end + 60, 60):
        for key, values in server.raw('up{job="load"}[60s]', min(at, end)).items():
            scrapes.setdefault(key, {}).update((t, v) for t, v in values if t > begin)
    between = [b - a for times in map(sorted, scrapes.values()) for a, b in zip(times, times[1:])]
    return sum(map(len, scrapes.values())), sum(v != '1' for s in scrapes.values() for v in s.values()), max(between)


def main():
    ports = [free_port() for _ in range(PORTS)]
    exporter = multiprocessing.Process(target=serve, args=(ports,), daemon=True)
    exporter.start()
    wait_for('exporter', lambda: get('http://127.0.0.1:%d/' % ports[-1]), 10)
    jobs = ''.join("  - {targets: ['127.0.0.1:%d'], labels: {__metrics_path__: /%d, shard: '%d'}}\n" % (ports[i % PORTS], i, i) for i in range(TARGETS))
    server = Server('global: {scrape_interval: 1s, scrape_timeout: 900ms}\nscrape_configs:\n- job_name: load\n  static_configs:\n' + jobs)
    server.start()
    wait_for('all targets', lambda: sum(server.query('up{job="load"}').values()) == TARGETS, 30)
    time.sleep(WARM)
    pid, begin, cpu0, memory = server.process.pid, time.time(), cpu_seconds(server.process.pid), []
    while time.time() < begin + SECONDS:
        time.sleep(5)
        head = head_mb(server)
        memory.append(rss_mb(pid) - head)
        if len(memory) % 6 == 0:
            print('%4.0f s  %.1f MB, and %.1f MB of samples' % (time.time() - begin, memory[-1], head), flush=True)
    end = time.time()
    cpu = cpu_seconds(pid) - cpu0
    time.sleep(2)
    seen, failed, longest = gaps(server, int(begin), int(end))
    expected = TARGETS * (int(end) - int(begin))
    third = len(memory) // 3
    early, late = max(memory[third:2 * third]), max(memory[2 * third:])
    print('%d targets x %d series every second for %d s: %d scrapes (%d expected), %d failed, longest interval %.3f s' %
          (TARGETS, SERIES, end - begin, seen, expected, failed, longest))
    print('memory without samples: %.1f MB at the start, at most %.1f MB in the second third, %.1f MB in the last; samples: %.1f MB' % (memory[0], early, late, head))
    print('CPU %.1f %% of a core, %.2f us per sample' % (100 * cpu / (end - begin), 1e6 * cpu / (seen * (SERIES + 5))))
    server.stop()
    if failed or seen < expected - TARGETS or longest > 1.5 or late > early * 1.1 + WRITE_BUFFER_MB:
        sys.exit('FAILED')
    server.cleanup()
    print('passed')


main()
