deckwatch_room(discovery
  SOURCES
    discovery/docker.cc
    discovery/docker_targets.cc
    discovery/file.cc
    discovery/kubernetes/access.cc
    discovery/kubernetes/kubernetes.cc
    discovery/kubernetes/objects.cc
    discovery/kubernetes/targets.cc
    discovery/kubernetes/watch.cc
    discovery/mechanisms.cc
    discovery/meta_labels.cc
    discovery/refresh.cc
  LIBS deckwatch_base)
