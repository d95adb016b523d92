#!/usr/bin/env python3
"""The life of one alert with a real exporter: stop it, InstanceDown is pending, then firing, the webhook gets exactly one
notification; the server is restarted while it fires: no duplicate; start the exporter again: exactly one resolved.

usage: alert_flow.py EXPORTER [ARG…]   (the exporter must listen on the address in $TARGET, e.g. 127.0.0.1:9121)
"""
import http.server, json, os, sys, threading, time
from common import Server, free_port, start, stop, wait_for, get

received = []


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        received.append(json.loads(self.rfile.read(int(self.headers['Content-Length']))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        pass


def states(server):
    return [a['state'] for a in server.api('alerts')['data']['alerts'] if a['labels']['alertname'] == 'InstanceDown']


def main():
    target, command = os.environ['TARGET'], sys.argv[1:]
    hook = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Hook)
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    exporter = start(command, '/dev/null')
    wait_for('exporter', lambda: get('http://%s/metrics' % target), 20)
    server = Server('''
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yml]
scrape_configs:
- job_name: redis
  static_configs: [{targets: ['%s']}]
''' % target)
    with open(os.path.join(server.dir, 'rules.yml'), 'w') as f:
        f.write('''groups:
- name: basic
  rules:
  - alert: InstanceDown
    expr: up == 0
    for: 4s
    labels: {severity: critical}
    annotations: {summary: '{{ $labels.instance }} of {{ $labels.job }} is down ({{ $value | humanize }})'}
''')
    with open(os.path.join(server.dir, 'alertmanager.yml'), 'w') as f:
        f.write('''route: {receiver: hook, group_by: [alertname], group_wait: 1s, group_interval: 2s, repeat_interval: 1h}
receivers:
- name: hook
  webhook_configs: [{url: 'http://127.0.0.1:%d/'}]
''' % hook.server_port)
    server.args.append('--alertmanager.config.file=' + os.path.join(server.dir, 'alertmanager.yml'))
    server.start()
    wait_for('up', lambda: list(server.query('up').values()) == [1], 20)
    stop(exporter)
    wait_for('pending', lambda: states(server) == ['pending'], 10)
    wait_for('firing', lambda: states(server) == ['firing'], 15)
    wait_for('notification', lambda: received, 15)
    assert received[0]['status'] == 'firing' and received[0]['version'] == '4', received[0]
    server.stop()
    time.sleep(1)
    server.start()
    time.sleep(12)
    assert len(received) == 1, 'duplicate after restart: %s' % received[1:]
    assert states(server) == ['firing'], states(server)
    server.kill()
    server.start()
    time.sleep(5)
    assert len(received) == 1, 'duplicate after kill -9: %s' % received[1:]
    exporter = start(command, '/dev/null')
    wait_for('resolved', lambda: len(received) > 1, 20)
    time.sleep(6)
    assert [r['status'] for r in received] == ['firing', 'resolved'], [r['status'] for r in received]
    print('one firing, one resolved, nothing else; annotation:', received[0]['alerts'][0]['annotations']['summary'])
    # Down and up again while the server is away: the resolve of a firing alert must not be lost.
    stop(exporter)
    wait_for('second firing', lambda: len(received) == 3, 30)
    server.kill()
    exporter = start(command, '/dev/null')
    server.start()
    wait_for('second resolve', lambda: len(received) == 4, 30)
    assert [r['status'] for r in received] == ['firing', 'resolved'] * 2
    print('a resolve that happened while the server was down was delivered after its start')
    server.stop()
    server.cleanup()


main()
