#!/usr/bin/env python3
"""A real Docker Engine, watched with the shipped example configuration: containers appear by name within two intervals, discovery
lists them with their labels and scrapes those that ask for it, and the health home is drawn with them.

usage (as root): docker.py [PICTURE.png]    needs Debian's docker.io busybox-static iproute2 iptables
Runs itself again in network, mount and process namespaces of its own: the engine has the usual /var/run/docker.sock there, and
everything that was started ends with this script. LOOK at the picture.
"""
import atexit, os, shutil, subprocess, sys, tempfile, time
from common import BIN, ROOT, Server, start, stop, wait_for

INTERVAL = 5  # seconds, of examples/prometheus.yml


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit('FAILED: %s: %s' % (' '.join(command), done.stderr))
    return done.stdout.strip()


def start_engine(folder):
    run('ip', 'link', 'set', 'lo', 'up')
    run('mount', '-t', 'tmpfs', 'tmpfs', '/run')
    engine = start(['dockerd', '--data-root', folder + '/root'], folder + '/dockerd.log')
    wait_for('engine', lambda: subprocess.run(['docker', 'version'], capture_output=True).returncode == 0, 60)
    image = folder + '/image'
    os.makedirs(image + '/bin')
    os.makedirs(image + '/www')
    shutil.copy('/bin/busybox', image + '/bin/busybox')
    os.symlink('busybox', image + '/bin/sh')
    with open(image + '/www/metrics', 'w') as f:
        f.write('# TYPE demo_up gauge\ndemo_up 1\n')  # served without a Content-Type, as small servers do
    run('sh', '-c', 'tar -C %s -c . | docker import - demo' % image)
    run('docker', 'network', 'create', 'net1')
    return engine


@atexit.register
def remove_containers():
    """Ends before the engine does; control groups would outlive their namespaces."""
    if os.path.exists('/run/docker.sock') and sys.argv[1:2] == ['--inside']:
        ids = run('docker', 'ps', '-aq').split()
        if ids:
            run('docker', 'rm', '-f', *ids)


def seconds_until(what, condition, limit):
    begin = time.monotonic()
    wait_for(what, condition, limit)
    return time.monotonic() - begin


def names(server):
    return {dict(k).get('name') for k in server.query('container_memory_working_set_bytes')} - {None}


def check_containers(server):
    # A scrape, the next one at the latest INTERVAL later, and the time to ask.
    run('docker', 'run', '-d', '--name', 'web1', '--network', 'net1', '--memory', '64m', '-l', 'app=web', '-l', 'prometheus.io/scrape=true',
        '-l', 'prometheus.io/port=8080', 'demo', '/bin/busybox', 'httpd', '-f', '-p', '8080', '-h', '/www')
    took = seconds_until('web1 in container_memory_working_set_bytes', lambda: 'web1' in names(server), 2 * INTERVAL)
    print('ok  web1 appeared by name %.1f s after its start' % took, flush=True)
    run('docker', 'run', '-d', '--name', 'batch', '--cpus', '0.2', 'demo', '/bin/busybox', 'sh', '-c', 'while :; do :; done')
    run('docker', 'run', '-d', '--name', 'idle', 'demo', '/bin/busybox', 'sleep', '3600')
    wait_for('all containers', lambda: names(server) == {'web1', 'batch', 'idle'}, 2 * INTERVAL)
    row = next(dict(k) for k in server.query('container_memory_working_set_bytes{name="web1"}'))
    assert row['image'] == 'demo' and row['id'].endswith(run('docker', 'inspect', '-f', '{{.Id}}', 'web1')), row
    assert list(server.query('container_spec_memory_limit_bytes{name="web1"}').values()) == [64 << 20]
    wait_for('network of web1', lambda: server.query('container_network_receive_bytes_total{name="web1", interface="eth0"}'), 2 * INTERVAL)
    wait_for('batch throttled at 0.2 CPUs', lambda: [v for v in server.query('rate(container_cpu_usage_seconds_total{name="batch"}[1m])').values() if 0.1 < v < 0.3]
             and [v for v in server.query('container_cpu_cfs_throttled_periods_total{name="batch"}').values() if v > 0], 8 * INTERVAL)
    print('ok  names, image, limit, network, CPU and throttling of real containers')


def check_discovery(server):
    wait_for('demo_up of web1', lambda: server.query('demo_up{job="docker", container="web1"}'), 30 + 2 * INTERVAL)
    data = server.api('targets')['data']
    mine = [t['discoveredLabels'] for t in data['activeTargets'] + data['droppedTargets'] if t['discoveredLabels']['job'] == 'docker']
    found = {t['__meta_docker_container_name'] for t in mine}
    web1 = next(t for t in mine if t['__meta_docker_container_name'] == '/web1')
    ip = run('docker', 'inspect', '-f', '{{.NetworkSettings.Networks.net1.IPAddress}}', 'web1')
    assert web1['__meta_docker_container_label_app'] == 'web' and web1['__meta_docker_network_name'] == 'net1', web1
    assert web1['__meta_docker_network_ip'] == ip and web1['__meta_docker_container_network_mode'] == 'net1', web1
    assert '/web1' in found and list(server.query('up{container="web1"}').values()) == [1], found
    print('ok  docker discovery lists %s; web1 is scraped at %s:8080' % (', '.join(sorted(found)), ip))


def render(server, picture):
    run(os.path.join(os.path.dirname(BIN), 'deckwatch-desktop'), 'render', '--server', server.url, '--view', 'health', '--size', '1920x1080',
        '--wait', '30s', '--out', picture)
    print('picture: ' + picture, flush=True)


def main():
    picture = os.path.abspath(sys.argv[2])
    folder = tempfile.mkdtemp(prefix='deckwatch-docker-')
    engine = start_engine(folder)
    config = os.path.join(folder, 'config')
    shutil.copytree(os.path.join(ROOT, 'examples'), config)
    server = Server('')
    server.args[1] = '--config.file=' + os.path.join(config, 'prometheus.yml')
    server.start()
    wait_for('containers collector', lambda: list(server.query('up{job="containers"}').values()) == [1], 20)
    assert not names(server), names(server)
    render(server, picture.replace('.png', '-none.png'))
    check_containers(server)
    check_discovery(server)
    time.sleep(6 * INTERVAL)  # so that the picture has lines
    render(server, picture)
    run('docker', 'rm', '-f', 'batch')
    print('ok  a removed container left after %.1f s' % seconds_until('batch leaves', lambda: 'batch' not in names(server), 2 * INTERVAL))
    bad = server.query('up == 0')
    assert not bad, bad
    server.stop()
    remove_containers()
    stop(engine)
    server.cleanup()
    shutil.rmtree(folder)
    print('passed')


if sys.argv[1:2] == ['--inside']:
    main()
else:
    os.execvp('unshare', ['unshare', '--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', sys.executable, os.path.abspath(__file__),
                          '--inside', sys.argv[1] if len(sys.argv) > 1 else 'docker-health.png'])
