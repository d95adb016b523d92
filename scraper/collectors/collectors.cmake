deckwatch_room(collectors
  SOURCES
    collectors/cgroup.cc
    collectors/container_names.cc
    collectors/containers.cc
    collectors/host.cc
    collectors/host_cpu.cc
    collectors/host_disk.cc
    collectors/host_memory.cc
    collectors/host_network.cc
    collectors/host_system.cc
    collectors/metric_page.cc
    collectors/procfs.cc
  LIBS deckwatch_base)
