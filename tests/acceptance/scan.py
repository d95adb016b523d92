#!/usr/bin/env python3
"""Samples in the window per CPU-second through the engine: running servers that hold the same data are asked about all of it.

usage: scan.py END WINDOW NAME=URL=PID…     END: Unix seconds, where the data ends; WINDOW: "9h"
Runs count(F({job=~".+"}[WINDOW])) ten times on each server in turn, every time a second earlier so that nobody answers from a
cache, and divides the samples in the window (counted name by name on the first server) by the CPU time of the server's process.
F is sum_over_time, for which all of them look at every sample; count_over_time, for which Deckwatch reads times and stale markers
only; and last_over_time, for which it reads only the newest sample of most series: of these two, the figure tells how fast the
question is answered, not how fast samples are read. Prometheus refuses the first two, as they drop the names: it is left out there.
Every server must count the same series to 1 %: VictoriaMetrics drops those that hold NaN only. The first one named is what the others
are compared with.
"""
import json, os, sys, urllib.error, urllib.parse, urllib.request

RUNS = 10
FUNCTIONS = 'sum_over_time', 'count_over_time', 'last_over_time'


def ask(url, path, **params):
    with urllib.request.urlopen(url + path + '?' + urllib.parse.urlencode(params), timeout=120) as r:
        return json.load(r)['data']


def scalar(url, query, at):
    result = ask(url, '/api/v1/query', query=query, time='%.3f' % at, nocache=1)['result']
    return float(result[0]['value'][1]) if result else 0.0


def answers(url, query, at):
    try:
        scalar(url, query, at)
        return True
    except urllib.error.HTTPError as e:
        if e.code == 422:
            return False
        raise


def cpu_seconds(pid):
    fields = open('/proc/%s/stat' % pid).read().rsplit(') ', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def compare(servers, function, window, end, samples):
    query = 'count(%s({job=~".+"}[%s]))' % (function, window)
    servers = [s for s in servers if answers(s[1], query, end)]
    used, series = {s[0]: 0.0 for s in servers}, {}
    for run in range(-1, RUNS):  # the first one warms up and is not counted
        for name, url, pid in servers:
            before = cpu_seconds(pid)
            found = scalar(url, query, end - run - 1)
            used[name] += (cpu_seconds(pid) - before) * (run >= 0)
            series.setdefault(run, {})[name] = found
    speed = {n: samples * RUNS / max(t, 1e-3) for n, t in used.items()}
    print('%s: %d samples of %d series in the window' % (function, samples, series[0][servers[0][0]]))
    for name, _, _ in servers:
        print('%-14s %7.1f ms CPU  %7.1f M samples per CPU-second  %5.2f x %s'
              % (name, used[name] / RUNS * 1e3, speed[name] / 1e6, speed[servers[0][0]] / speed[name], servers[0][0]))
    wrong = [r for r in series.values() if min(r.values()) < 0.99 * max(r.values())]
    if wrong:
        sys.exit('WRONG: the servers count different series: %s' % wrong[0])


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    end, window = float(sys.argv[1]), sys.argv[2]
    servers = [a.split('=') for a in sys.argv[3:]]
    names = ask(servers[0][1], '/api/v1/label/__name__/values', start=end - 86400, end=end)
    samples = sum(scalar(servers[0][1], 'sum(count_over_time({__name__="%s",job=~".+"}[%s]))' % (n, window), end) for n in names)
    for function in FUNCTIONS:
        compare(servers, function, window, end, samples)


if __name__ == '__main__':
    main()
