#!/usr/bin/env python3
"""Scrapes the same real exporters with us and with a real Prometheus, then asks both the same questions.

usage: peers.py MINUTES job=host:port…     $PROMETHEUS names the peer's program (default: prometheus on PATH)
Both scrape every 5 s. No scrape of ours may fail; every answer must agree: exactly for questions whose answer does not depend on
the instant of the scrape, within 5 % (or a small absolute difference) for rates and moving gauges.
"""
import math, os, sys, time
from common import Server

QUERIES = [  # (expression, relative tolerance, share of series that may be off: values that moved between the two scrapes)
    ('count by (job) (up)', 0, 0),
    ('sum by (job) (scrape_samples_scraped)', 0.01, 0),
    ('count by (job) ({job=~".+", __name__!~"scrape_.*|up|go_.*|process_.*"})', 0.01, 0),
    ('sum by (job, instance) (up)', 0, 0),
    ('node_memory_MemTotal_bytes', 0, 0),
    ('node_filesystem_size_bytes', 0, 0),
    ('sum by (mode) (rate(node_cpu_seconds_total[5m]))', 0.1, 0.3),
    ('1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes', 0.1, 0),
    ('count by (device) (node_disk_io_time_seconds_total)', 0, 0),
    ('topk(3, node_network_mtu_bytes)', 0, 0),
    ('histogram_quantile(0.99, sum by (le) (rate(etcd_disk_wal_fsync_duration_seconds_bucket[5m])))', 0.2, 0),
    ('etcd_server_has_leader', 0, 0),
    ('max_over_time(redis_connected_clients[5m])', 0, 0),
    ('redis_memory_max_bytes', 0, 0),
    ('count(pg_settings_max_connections) + sum(pg_up)', 0, 0),
    ('sum by (datname) (pg_stat_database_numbackends)', 0.5, 0.2),
    ('rabbitmq_identity_info', 0, 0),
    ('increase(nginx_http_requests_total[5m])', 0.1, 0),
    ('haproxy_backend_status{state="UP"}', 0, 0),
    ('count(count by (__name__) ({__name__=~"haproxy_.+"}))', 0, 0),
    ('label_replace(up{job="node"}, "host", "$1", "instance", "(.*):.*")', 0, 0),
    ('avg_over_time(up[5m]) and on (job) up == 1', 0, 0),
    ('quantile by (job) (0.5, up)', 0, 0),
    ('absent(up{job="nosuch"})', 0, 0),
]


def close(a, b, tolerance):
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or abs(a - b) <= max(tolerance * max(abs(a), abs(b)), tolerance * 0.02)


def main():
    minutes, jobs = float(sys.argv[1]), [a.split('=', 1) for a in sys.argv[2:]]
    config = 'global: {scrape_interval: 5s, scrape_timeout: 4s}\nscrape_configs:\n' + ''.join(
        "- job_name: %s\n  static_configs: [{targets: ['%s']}]\n" % (j, t) for j, t in jobs)
    ours, peer = Server(config), Server(config, program=os.environ.get('PROMETHEUS', 'prometheus'))
    ours.start()
    peer.start()
    end = time.time() + minutes * 60
    while time.time() < end:
        time.sleep(min(30, max(0, end - time.time())))
        bad = ours.query('up == 0')
        print('%4.0f s left, %d series, down now: %s' % (end - time.time(), ours.query('count({job=~".+"})').popitem()[1], list(bad) or 'none'), flush=True)
    at = time.time() - 2
    lookback = '%ds' % (minutes * 60)
    failed = sum(ours.query('count_over_time(up[%s]) - sum_over_time(up[%s])' % (lookback, lookback), at).values())
    total = sum(ours.query('count_over_time(up[%s])' % lookback, at).values())
    print('%d scrapes, %d failed' % (total, failed))
    wrong = 0
    for expr, tolerance, may_differ in QUERIES:
        a, b = ours.query(expr, at), peer.query(expr, at)
        off = [k for k in b if k not in a or not close(a[k], b[k], tolerance)] + [k for k in a if k not in b]
        ok = len(off) <= may_differ * max(len(b), 1) and b
        wrong += not ok
        print('%-4s %3d series  %s' % ('ok' if ok else 'BAD', len(b), expr))
        if not ok:
            print('     ', [(dict(k), a.get(k), b.get(k)) for k in off[:4]])
    ours.stop()
    peer.stop()
    if wrong or failed or total < minutes * 60 / 5 * len(jobs) * 0.95:
        sys.exit('FAILED: %d answers differ, %d scrapes failed of %d' % (wrong, failed, total))
    ours.cleanup()
    peer.cleanup()


main()
